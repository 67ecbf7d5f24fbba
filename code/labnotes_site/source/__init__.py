"""What the book's source says of itself: front matter, terms, notes, parts, repository."""
