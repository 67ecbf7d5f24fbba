"""Tests of labnotes.generalization."""
