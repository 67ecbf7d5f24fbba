"""Tests of labnotes.optimization."""
