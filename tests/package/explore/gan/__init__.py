"""The explorers of the chapters on generative adversarial networks."""
