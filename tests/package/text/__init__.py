"""Tests of text: vocabularies and pieces of words."""
