"""Checkers of the part on convolutional networks."""
