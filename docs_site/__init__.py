"""What makes pages and pictures of the documentation: generators, and the recording of a terminal. Not in the wheel."""
