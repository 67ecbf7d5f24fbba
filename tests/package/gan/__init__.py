"""Tests of labnotes.gan."""
