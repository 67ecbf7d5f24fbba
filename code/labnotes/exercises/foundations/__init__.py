"""Checkers of the part on foundations."""
"""Checkers for the exercises of the part Foundations."""
