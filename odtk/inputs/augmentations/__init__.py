"""The augmentation options of a config, one function each."""
