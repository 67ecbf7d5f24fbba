"""Tests of labnotes.exercises: of all checkers, and by part the answers that each must refuse."""
