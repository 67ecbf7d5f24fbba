"""Tests of labnotes.metrics."""
