import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labnotes.gan import discriminator_step, frozen, generator_step, minimax_loss, r1_penalty


class With(nn.Module):
    """A net of its input and what stands beside it."""

    def __init__(self, size, out, beside=0):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(size + beside, 8), nn.Tanh(), nn.Linear(8, out))

    def forward(self, x, *condition):
        return self.net(torch.cat([x, *condition], 1))


@pytest.fixture(params=[(), (3,)])
def game(request):
    torch.manual_seed(0)
    beside = sum(request.param)
    condition = tuple(torch.randn(6, size) for size in request.param)
    return With(4, 2, beside), With(2, 1, beside), torch.randn(6, 2), torch.randn(6, 4), condition


def changed(before, after):
    return [not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters())]


@pytest.mark.parametrize("r1", [0.0, 0.5, 5.0])
def test_the_discriminators_step_is_one_of_binary_cross_entropy(game, r1):
    g, d, real, noise, condition = game
    twin = copy.deepcopy(d)
    x = real.clone().requires_grad_()
    says, made = twin(x, *condition), twin(g(noise, *condition).detach(), *condition)
    loss = F.binary_cross_entropy_with_logits(says, torch.ones_like(says))
    loss = loss + F.binary_cross_entropy_with_logits(made, torch.zeros_like(made))
    (loss + r1 * r1_penalty(x, says)).backward()
    torch.optim.SGD(twin.parameters(), 0.1).step()
    optimizer = torch.optim.SGD(d.parameters(), 0.1)
    found = discriminator_step(g, d, optimizer, real, noise, condition, r1)
    assert found == pytest.approx(loss.item())
    for ours, other in zip(d.parameters(), twin.parameters()):
        torch.testing.assert_close(ours, other)


def test_the_discriminators_step_leaves_the_generator_without_a_gradient(game):
    g, d, real, noise, condition = game
    discriminator_step(g, d, torch.optim.SGD(d.parameters(), 0.1), real, noise, condition)
    assert all(p.grad is None for p in g.parameters())
    assert not real.requires_grad


def test_the_generators_step_changes_the_generator_alone(game):
    g, d, _, noise, condition = game
    before_g, before_d = copy.deepcopy(g), copy.deepcopy(d)
    says = d(g(noise, *condition), *condition)
    found = generator_step(g, d, torch.optim.SGD(g.parameters(), 0.1), noise, condition)
    assert found == pytest.approx(F.binary_cross_entropy_with_logits(
        says, torch.ones_like(says)).item())  # fmt: skip
    assert all(changed(before_g, g)) and not any(changed(before_d, d))
    assert all(p.grad is None and p.requires_grad for p in d.parameters())
    assert d(g(noise, *condition), *condition).mean() > says.mean()


def test_the_generators_loss_can_be_the_minimax_one(game):
    g, d, _, noise, condition = game
    expected = (1 - d(g(noise, *condition), *condition).sigmoid()).log().mean().item()
    optimizer = torch.optim.SGD(g.parameters(), 0.1)
    assert generator_step(g, d, optimizer, noise, condition, minimax_loss) == (
        pytest.approx(expected, abs=1e-6)
    )


def test_real_and_generated_batches_are_normalized_apart(game):
    g, d, real, noise, condition = game
    seen = []
    d.net.insert(0, nn.BatchNorm1d(d.net[0].in_features))
    d.net[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    discriminator_step(g, d, torch.optim.SGD(d.parameters(), 0.1), real, noise, condition)
    assert seen == [len(real), len(noise)]


def test_an_empty_batch_is_refused_and_no_weight_is_spoilt(game):
    g, d, real, noise, condition = game
    before = copy.deepcopy(d)
    optimizer, none = torch.optim.SGD(d.parameters(), 0.1), tuple(c[:0] for c in condition)
    for x, z, name in ((real[:0], noise[:0], "real"), (real, noise[:0], "noise")):
        with pytest.raises(ValueError, match=f"{name} is empty"):
            discriminator_step(g, d, optimizer, x, z, none)
    with pytest.raises(ValueError, match="noise is empty"):
        generator_step(g, d, torch.optim.SGD(g.parameters(), 0.1), noise[:0], none)
    assert not any(changed(before, d))


def test_what_was_frozen_before_stays_so():
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    with frozen(net):
        assert not net.weight.requires_grad
    assert net.weight.requires_grad and not net.bias.requires_grad
