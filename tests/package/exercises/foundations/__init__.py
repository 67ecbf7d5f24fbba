"""Tests of the checkers of the part on foundations."""
