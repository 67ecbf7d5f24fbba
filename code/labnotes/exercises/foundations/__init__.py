"""Checkers for the exercises of the part Foundations."""
