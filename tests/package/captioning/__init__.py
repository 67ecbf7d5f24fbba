"""Tests of labnotes.captioning."""
