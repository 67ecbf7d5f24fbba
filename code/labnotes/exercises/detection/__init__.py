"""Checkers for the exercises of the chapters on detection."""
