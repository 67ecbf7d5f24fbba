"""Tests of labnotes.bert."""
