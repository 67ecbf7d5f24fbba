"""Tests of the first models: what they compute, against libraries that we did not write."""
