"""What comes in: submissions as platforms name them, the list of the class, due dates."""
