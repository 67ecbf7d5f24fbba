"""Tests of labnotes.transformer."""
