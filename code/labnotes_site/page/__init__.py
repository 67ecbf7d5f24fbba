"""What the extension writes on a page: badges, questions, settled statements, whole pages."""
