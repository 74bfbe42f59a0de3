"""What the pages of projects and models show, as plain values: fields of a config, edits of it, what a model costs."""
