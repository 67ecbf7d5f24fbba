"""Tests of labnotes.foundations."""
