"""A training as its page shows it: its files, read as they grow, its curves, its state, and runs beside each other."""
