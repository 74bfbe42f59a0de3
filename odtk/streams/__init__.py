"""Pictures on their way through a detector: where they come from, and what is written of them."""
