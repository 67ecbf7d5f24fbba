"""Tests of labnotes.vision."""
