"""Tests of the part Foundations."""
