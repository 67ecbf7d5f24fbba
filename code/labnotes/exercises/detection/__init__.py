"""Checkers of the part on detection."""
