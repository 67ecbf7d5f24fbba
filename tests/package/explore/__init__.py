"""Tests of labnotes.explore: each explorer's script against the package's Python."""
