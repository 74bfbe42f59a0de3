"""Training: one task for every detector, on official.core and Orbit."""
