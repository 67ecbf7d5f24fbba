"""The explorers of chapters on generative adversarial networks."""
