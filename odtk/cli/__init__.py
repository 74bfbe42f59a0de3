"""The command line: one module per command, Click only."""
