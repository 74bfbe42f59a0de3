"""Speed at equal numbers: what odtk adds to what no detector can do without, measured side by side in one run."""
