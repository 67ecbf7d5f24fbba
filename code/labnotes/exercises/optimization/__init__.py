"""Checkers of the part on optimization."""
