"""Tests of the explorers of pretraining."""
