"""Wrong answers to the exercises of the part on GANs."""
