"""Checkers of the part on pretraining."""
