"""The studio: pages that do what the commands do, in a browser, over a workspace of plain folders.

`workspace`, `projects` and `jobs` are what is there; `commands` and `background` run odtk's commands in processes of
their own, so that the studio never loads TensorFlow; `security` decides which requests are answered; `routing` is what
the modules of `pages` are made of, `app` puts them together, and `server` serves them.
"""
