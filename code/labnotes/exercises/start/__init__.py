"""Checkers of the chapters that start the book."""
