"""Checkers of the part on captioning."""
