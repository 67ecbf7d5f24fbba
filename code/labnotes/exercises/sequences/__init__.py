"""Checkers of the part on sequences."""
