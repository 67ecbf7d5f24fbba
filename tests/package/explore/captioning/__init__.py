"""The explorers of chapters on captioning."""
