"""What is wrong with data: each check is a function over the context of a scan, and a line of the table."""
