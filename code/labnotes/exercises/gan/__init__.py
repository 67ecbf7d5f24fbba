"""Checkers of the part on GANs."""
