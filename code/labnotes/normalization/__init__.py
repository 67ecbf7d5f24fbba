"""Batch, layer, group and instance normalization: one formula, four choices of axes.

Each of them subtracts a mean, divides by a standard deviation, scales and shifts. They differ in
the set of numbers that share one mean and variance (and batch normalization remembers averages
for use after training). Here the axes have letters: N samples, C channels or features, G groups of
channels, and L or H, W or D, H, W for positions. Names of layers, arguments and buffers are
torch's, so its state dicts load here unchanged.
"""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "batch": ["BatchNorm", "batch_norm", "batch_norm_backward"],
    "group": ["GroupNorm", "group_norm"],
    "instance": ["InstanceNorm", "instance_norm"],
    "layer": ["LayerNorm", "layer_norm"],
    "moments": ["moments", "normalize", "standardize"],
})  # fmt: skip
