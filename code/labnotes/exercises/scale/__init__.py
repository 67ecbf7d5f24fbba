"""Checkers of the part on training at scale."""
