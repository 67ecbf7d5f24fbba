"""Checkers of the part on foundations."""
