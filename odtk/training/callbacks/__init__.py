"""What is called while a detector trains: one file each; `callback.py` says when."""
