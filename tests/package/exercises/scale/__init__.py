"""Wrong answers to the exercises of the part on training at scale."""
