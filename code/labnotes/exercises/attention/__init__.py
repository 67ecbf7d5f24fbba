"""Checkers of the part on attention."""
