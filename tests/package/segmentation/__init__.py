"""Tests of labnotes.segmentation."""
