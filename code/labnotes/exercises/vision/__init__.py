"""Checkers of the part on vision."""
