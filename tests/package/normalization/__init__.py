"""Tests of labnotes.normalization."""
