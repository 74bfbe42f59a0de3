"""Checks of data: each is a function of a scan's context, and a row of the table."""
