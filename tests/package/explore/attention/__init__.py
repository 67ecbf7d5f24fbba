"""The explorers of chapters on attention."""
