"""`odtk run`: the stages of a project file, of which those run whose inputs changed."""
