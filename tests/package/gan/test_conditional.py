import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labnotes.gan import discriminator_step, generator_step
from labnotes.gan.conditional import (
    ConditionalGenerator,
    ProjectionDiscriminator,
    matching_loss,
    matching_step,
    one_hot,
    other_labels,
)


@pytest.fixture(scope="module")
def game():
    torch.manual_seed(0)
    return ConditionalGenerator(8, 3, 8), ProjectionDiscriminator(3, 8, 16)


def test_the_matching_loss_is_binary_cross_entropy_with_halved_negatives():
    real, made, wrong = torch.randn(3, 7)
    cross = F.binary_cross_entropy_with_logits
    expected = cross(real, torch.ones(7)) + cross(torch.cat([made, wrong]), torch.zeros(14))
    torch.testing.assert_close(matching_loss(real, made, wrong), expected)


def test_the_best_discriminator_is_the_ratio_of_what_it_has_seen():
    """Minimized by descent on a table of two pictures and two conditions, then compared."""
    p = torch.tensor([[0.4, 0.1], [0.05, 0.45]])  # real pairs
    g = torch.tensor([[0.1, 0.3], [0.3, 0.3]])  # generated pairs
    w = p.sum(1, keepdim=True) * torch.tensor([[0.2, 0.8]])  # pictures beside a wrong condition
    logits = torch.zeros(2, 2, requires_grad=True)
    # softplus as in the loss, with probabilities in the place of counts
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-9)

    def closure():
        optimizer.zero_grad()
        wrong = ((g + w) / 2 * F.softplus(logits)).sum()
        loss = (p * F.softplus(-logits)).sum() + wrong
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(logits.sigmoid(), p / (p + (g + w) / 2), atol=1e-4, rtol=1e-3)


def test_the_projection_of_a_class_is_an_embedding(game):
    _, d = game
    pictures, labels = torch.randn(5, 1, 28, 28), torch.tensor([0, 1, 2, 2, 0])
    embedding = nn.Embedding.from_pretrained(d.asked.weight.T)
    found = d.features(pictures)
    expected = F.linear(found, d.real.weight, d.real.bias)[:, 0]
    expected = expected + torch.einsum("nf,nf->n", embedding(labels), found)
    torch.testing.assert_close(d(pictures, one_hot(labels, 3)), expected)


def test_the_discriminator_sees_how_much_the_pictures_of_a_batch_differ(game):
    _, d = game
    pictures = torch.randn(5, 1, 28, 28)
    first, _, second, *_, linear, _ = d.features
    maps = F.leaky_relu(F.conv2d(pictures, first.weight, first.bias, 2, 1), 0.2)
    maps = F.leaky_relu(F.conv2d(maps, second.weight, second.bias, 2, 1), 0.2)
    deviation = maps.std(0, correction=0).mean()
    seen = torch.cat([maps.flatten(1), deviation.expand(5, 49)], 1)
    expected = F.leaky_relu(F.linear(seen, linear.weight, linear.bias), 0.2)
    torch.testing.assert_close(d.features(pictures), expected, atol=1e-4, rtol=1e-4)


def test_the_step_learns_from_the_loss_and_leaves_the_generator_alone(game):
    g, d = (copy.deepcopy(net) for net in game)
    twin, before = copy.deepcopy(d), copy.deepcopy(g.state_dict())
    real, noise = torch.randn(6, 1, 28, 28), torch.randn(6, 8)
    right, wrong = one_hot(torch.arange(6) % 3, 3), one_hot((torch.arange(6) + 1) % 3, 3)
    made = copy.deepcopy(g)(noise, right).detach()
    loss = matching_loss(twin(real, right), twin(made, right), twin(real, wrong))
    loss.backward()
    torch.optim.SGD(twin.parameters(), 0.1).step()
    found = matching_step(g, d, torch.optim.SGD(d.parameters(), 0.1), real, noise, right, wrong)
    assert found == pytest.approx(loss.item())
    for ours, other in zip(d.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, other)
    assert all(p.grad is None for p in g.parameters())
    assert all(torch.equal(before[n], p) for n, p in g.named_parameters())


def _as_learned(norm, x):
    """Batch normalization with running statistics, written out."""
    mean, variance, scale, shift = (
        numbers[:, None, None]
        for numbers in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / (variance + norm.eps).sqrt() * scale + shift


def test_the_generator_draws_noise_and_condition_together(game):
    g = copy.deepcopy(game[0]).eval()
    noise, condition = torch.randn(2, 8), torch.eye(3)[[2, 0]]
    _, first, _, up, second, _, last, _ = g.grow
    weight = g.project.weight
    maps = noise @ weight[:, :8].T + condition @ weight[:, 8:].T  # each has weights of its own
    maps = F.relu(_as_learned(first, maps.view(2, -1, 7, 7)))
    maps = F.conv_transpose2d(maps, up.weight, stride=2, padding=1)
    maps = F.relu(_as_learned(second, maps))
    expected = torch.tanh(F.conv_transpose2d(maps, last.weight, last.bias, stride=2, padding=1))
    torch.testing.assert_close(g(noise, condition), expected)


def test_the_penalty_changes_the_step_and_not_the_loss(game):
    real, noise = torch.randn(6, 1, 28, 28), torch.randn(6, 8)
    right, wrong = one_hot(torch.arange(6) % 3, 3), one_hot((torch.arange(6) + 1) % 3, 3)
    ends = []
    for r1 in (0.0, 10.0):
        g, d = (copy.deepcopy(net) for net in game)
        optimizer = torch.optim.SGD(d.parameters(), 0.1)
        ends.append((matching_step(g, d, optimizer, real, noise, right, wrong, r1), d))
    assert ends[0][0] == pytest.approx(ends[1][0])
    assert not torch.equal(ends[0][1].real.weight, ends[1][1].real.weight)


def test_negatives_that_would_not_weigh_alike_are_refused(game):
    g, d = (copy.deepcopy(net) for net in game)
    adam = torch.optim.Adam(d.parameters())
    real, right = torch.randn(3, 1, 28, 28), one_hot(torch.tensor([0, 2, 1]), 3)
    with pytest.raises(ValueError, match="are 3, 3, 3, 2: give as many of each"):
        matching_step(g, d, adam, real, torch.randn(3, 8), right, right[:2])
    with pytest.raises(ValueError, match="real is empty"):
        matching_step(g, d, adam, real[:0], torch.randn(0, 8), right[:0], right[:0])


def test_the_networks_play_with_the_steps_of_the_game(game):
    g, d = (copy.deepcopy(net) for net in game)
    right = (one_hot(torch.tensor([0, 2, 1, 1]), 3),)
    adams = [torch.optim.Adam(net.parameters()) for net in (g, d)]
    discriminator_step(g, d, adams[1], torch.randn(4, 1, 28, 28), torch.randn(4, 8), right, 0.1)
    generator_step(g, d, adams[0], torch.randn(4, 8), right)


def test_other_labels_are_other_and_equally_likely():
    torch.manual_seed(0)
    labels = torch.randint(5, (20_000,))
    others = other_labels(labels, 5)
    assert not (labels == others).any() and others.min() >= 0 and others.max() < 5
    pairs = torch.bincount(labels * 5 + others, minlength=25).view(5, 5)
    assert pairs.diagonal().sum() == 0
    shares = pairs[~torch.eye(5, dtype=torch.bool)] / 1000
    assert shares.min() > 0.85 and shares.max() < 1.15


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda g, d: one_hot(torch.tensor([0, 3]), 3), "from 0 to 3: give numbers from 0 to 2"),
        (lambda g, d: one_hot(torch.tensor([-1]), 3), "from -1"),
        (lambda g, d: one_hot(torch.tensor([0.0]), 3), "give int64"),
        (lambda g, d: other_labels(torch.tensor([0]), 1), "at least two classes"),
        (lambda g, d: g(torch.randn(2, 8), torch.tensor([0, 1])), "one_hot makes them"),
        (lambda g, d: g(torch.randn(2, 9), torch.eye(3)[:2]), r"\(n, 8, ...\) was expected"),
        (lambda g, d: g(torch.randn(3, 8), torch.eye(3)[:2]), r"give \(3, 3\)"),
        (lambda g, d: d(torch.randn(2, 3, 28, 28), torch.eye(3)[:2]), r"\(n, 1, ...\)"),
        (
            lambda g, d: matching_loss(torch.zeros(2), torch.zeros(2), torch.zeros(0)),
            "one of each kind",
        ),
    ],
)
def test_wrong_inputs_are_told_what_was_expected(game, call, said):
    with pytest.raises(ValueError, match=said):
        call(*game)
