"""Tests of the checkers of the part Foundations."""
