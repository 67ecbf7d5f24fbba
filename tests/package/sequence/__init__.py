"""Tests of recurrent networks and of searching through sequences."""
