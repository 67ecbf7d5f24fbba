"""Tests of the checkers of the part on foundations."""
"""Tests of the checkers of the part Foundations."""
