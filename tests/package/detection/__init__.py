"""Tests of what detectors are made of."""
