"""Tests of labnotes.attention."""
