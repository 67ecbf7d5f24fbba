"""Tests of the first models: what they compute, against libraries that we did not write."""
"""Tests of labnotes.foundations."""
"""Tests of the part Foundations."""
