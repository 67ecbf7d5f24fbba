"""Tests of labnotes.convnets."""
