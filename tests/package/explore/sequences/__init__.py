"""The explorers of chapters on sequences."""
