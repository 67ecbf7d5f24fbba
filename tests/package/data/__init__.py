"""Tests of labnotes.data."""
