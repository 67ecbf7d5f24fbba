"""Generative adversarial networks: two networks that learn from each other."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "dcgan": ["Discriminator", "Generator", "MinibatchDeviation", "follow", "initialize"],
    "judging": ["Judge", "seen"],
    "losses": ["discriminator_loss", "minimax_loss", "non_saturating_loss", "r1_penalty"],
    "steps": ["discriminator_step", "frozen", "generator_step"],
    "toy": ["Blobs", "Coverage", "coverage", "energy_distance", "equally_likely", "game_value",
            "network", "optimal_discriminator", "play", "pushed_density", "ring"],
})  # fmt: skip
