"""Tests of labnotes.optim: every optimizer against torch's."""
