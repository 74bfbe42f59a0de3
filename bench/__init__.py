"""Speed at equal results: odtk's overhead over the bare network and libraries, measured side by side in one run."""
