"""Checkers of the part on generalization."""
