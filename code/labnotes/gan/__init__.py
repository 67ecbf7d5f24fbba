"""Generative adversarial networks: two networks that learn from each other."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "dcgan": ["Discriminator", "Generator", "MinibatchDeviation", "follow", "initialize"],
    "judging": ["Judge", "seen"],
    "conditional": [
        "ConditionalGenerator", "ProjectionDiscriminator", "matching_loss", "matching_step",
        "one_hot", "other_labels",
    ],
    "losses": ["discriminator_loss", "minimax_loss", "non_saturating_loss", "r1_penalty"],
    "pix2pix": [
        "PatchGAN", "Translator", "edges", "gradient", "patch_layers", "pix2pix_loss", "sharpness",
        "translator_step",
    ],
    "scenes": ["faces", "middles", "point_maps", "tones", "warp"],
    "sequences": [
        "SequenceDiscriminator", "SequenceGenerator", "gumbel_noise", "gumbel_softmax",
        "others_mean", "reinforce_loss", "straight_through",
    ],
    "steps": ["discriminator_step", "frozen", "generator_step"],
    "toy": ["Blobs", "Coverage", "coverage", "energy_distance", "equally_likely", "game_value",
            "network", "optimal_discriminator", "play", "pushed_density", "ring"],
})  # fmt: skip
