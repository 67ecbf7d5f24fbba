"""Checkers of the part on generative adversarial networks."""
