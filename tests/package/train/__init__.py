"""Tests of labnotes.train."""
