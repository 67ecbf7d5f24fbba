"""Tests of labnotes_site, which builds the book."""
