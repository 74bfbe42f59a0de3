"""What every page and picture is made of."""
