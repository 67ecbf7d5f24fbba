"""Checkers of the part on segmentation."""
