"""Tests of labnotes.style."""
