import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon
from torch import nn

from labnotes.gan import discriminator_step, generator_step, minimax_loss
from labnotes.gan.toy import (
    ADAM,
    Blobs,
    coverage,
    energy_distance,
    equally_likely,
    game_value,
    network,
    optimal_discriminator,
    play,
    pushed_density,
    ring,
)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_ring_has_its_modes_at_equal_angles():
    data = ring(8, 2.0, 0.1)
    angles = np.angle([complex(*c) for c in data.centres.tolist()])
    assert np.sort(angles % (2 * np.pi)) == pytest.approx(np.arange(8) * np.pi / 4, abs=1e-6)
    assert data.centres.norm(dim=1).tolist() == pytest.approx([2] * 8)


def test_samples_of_blobs_follow_their_density():
    data = Blobs(torch.tensor([[-1.0], [2.0]]), 0.5)
    samples = data.sample(20_000, draw())[:, 0].numpy()

    def reached(x):
        return (stats.norm.cdf(x, -1, 0.5) + stats.norm.cdf(x, 2, 0.5)) / 2

    assert stats.kstest(samples, reached).pvalue > 0.01
    x = torch.linspace(-3, 4, 50)[:, None]
    expected = (stats.norm.pdf(x[:, 0], -1, 0.5) + stats.norm.pdf(x[:, 0], 2, 0.5)) / 2
    assert data.density(x).numpy() == pytest.approx(expected, abs=1e-5)


def test_the_density_in_the_plane_is_scipys():
    data, x = ring(5, 1.0, 0.3), torch.randn(40, 2, generator=draw())
    each = [stats.multivariate_normal(c, 0.09 * np.eye(2)).pdf(x) for c in data.centres.numpy()]
    assert data.density(x).numpy() == pytest.approx(np.mean(each, 0), abs=1e-5)


def test_coverage_counts_as_loops_do():
    data = ring()
    samples = torch.cat(
        [data.sample(300, draw())[:200], 3 * torch.randn(100, 2, generator=draw(1))]
    )
    found, counts = coverage(samples, data.centres, 0.1), [0] * 8
    for sample in samples.tolist():
        distances = [math.dist(sample, c) for c in data.centres.tolist()]
        if min(distances) < 0.3:
            counts[distances.index(min(distances))] += 1
    assert found.shares.tolist() == pytest.approx([c / 300 for c in counts])
    assert found.good == pytest.approx(sum(counts) / 300)
    assert found.modes == sum(c >= 0.2 * 300 / 8 for c in counts)


def test_real_samples_cover_all_modes_and_one_mode_is_one():
    data = ring()
    found = coverage(data.sample(2000, draw()), data.centres, data.std)
    assert found.modes == 8 and found.good == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    alone = data.centres[:1] + 0.05 * torch.randn(100, 2, generator=draw())
    assert coverage(alone, data.centres, 0.1).modes == 1


@pytest.mark.parametrize(
    "change, text",
    [
        ({"samples": torch.zeros(3)}, "give .n, d. and .modes, d."),
        ({"centres": torch.zeros(2, 3)}, "give .n, d. and .modes, d."),
        ({"samples": torch.zeros(0, 2)}, "at least one sample"),
        ({"std": 0.0}, "std is 0.0"),
        ({"least": 1.5}, "least 1.5"),
        ({"std": math.nan}, "std is nan"),
    ],
)
def test_coverage_refuses_what_it_cannot_count(change, text):
    given = {"samples": torch.zeros(3, 2), "centres": torch.zeros(2, 2), "std": 0.1}
    with pytest.raises(ValueError, match=text):
        coverage(**given | change)


def test_the_energy_distance_is_the_square_of_scipys():
    x, y = torch.randn(70, generator=draw()), 0.5 + torch.randn(50, generator=draw(1))
    expected = stats.energy_distance(x.numpy(), y.numpy()) ** 2
    assert energy_distance(x[:, None], y[:, None]) == pytest.approx(expected, abs=1e-5)


def test_the_energy_distance_in_the_plane_is_that_of_loops():
    x, y = torch.randn(9, 2, generator=draw()).tolist(), torch.randn(7, 2).tolist()

    def mean(a, b):
        return np.mean([[math.dist(s, t) for t in b] for s in a])

    expected = 2 * mean(x, y) - mean(x, x) - mean(y, y)
    assert energy_distance(torch.tensor(x), torch.tensor(y)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("x", [torch.zeros(0, 2), torch.zeros(3, 1), torch.zeros(3)])
def test_the_energy_distance_refuses_other_shapes(x):
    with pytest.raises(ValueError, match="give .n, d. and .m, d."):
        energy_distance(x, torch.zeros(4, 2))


def test_the_value_of_the_best_answer_is_scipys_divergence():
    p, q = torch.rand(2, 30, dtype=torch.float64, generator=draw())
    p, q = p / p.sum(), q / q.sum()
    best = optimal_discriminator(p, q)
    expected = -math.log(4) + 2 * jensenshannon(p, q) ** 2
    assert game_value(p, q, best) == pytest.approx(expected)
    for other in (best + 0.01, best - 0.01):
        assert game_value(p, q, other.clamp(1e-6, 1 - 1e-6)) < game_value(p, q, best)
    assert game_value(p, p, optimal_discriminator(p, p)) == pytest.approx(-math.log(4))


def test_where_only_one_of_them_is_the_answer_is_sure():
    p, q = torch.tensor([0.5, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.0])
    assert optimal_discriminator(p, q).tolist() == [1, 0, 0.5]
    assert game_value(p, q, optimal_discriminator(p, q)) == 0


@pytest.mark.parametrize("p", [torch.ones(2), -torch.ones(3)])
def test_densities_that_cannot_be_are_refused(p):
    with pytest.raises(ValueError, match="one shape and no negative"):
        optimal_discriminator(p, torch.ones(3))
    with pytest.raises(ValueError, match="one shape and no negative"):
        game_value(p, torch.ones(3), torch.full((3,), 0.5))


@pytest.mark.parametrize("d", [torch.full((2,), 0.5), torch.tensor([0.5, 1.1, 0.5]),
                               torch.tensor([0.5, math.nan, 0.5])])  # fmt: skip
def test_answers_that_are_no_probabilities_are_refused(d):
    with pytest.raises(ValueError, match="probabilities, not logits"):
        game_value(torch.ones(3), torch.ones(3), d)


def test_a_straight_generator_makes_a_normal_density():
    line = nn.Linear(1, 1)
    with torch.no_grad():
        line.weight.fill_(0.5), line.bias.fill_(1.0)
    edges = torch.linspace(-1, 3, 41)
    expected = np.diff(stats.norm.cdf(edges, 1, 0.5)) / 0.1
    assert pushed_density(line, edges).numpy() == pytest.approx(expected, abs=0.01)


def test_noise_values_are_the_middles_of_equal_parts():
    expected = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    assert equally_likely(10)[:, 0].numpy() == pytest.approx(expected, abs=1e-5)


def players():
    torch.manual_seed(0)
    return network(2, 8, 2), network(2, 8, 1)


@pytest.mark.parametrize("k", [1, 3])
def test_a_game_is_the_steps_one_after_the_other(k):
    data, (g, d) = ring(), players()
    other_g, other_d = copy.deepcopy((g, d))
    found = play(g, d, data, steps=4, rates=(1e-2, 2e-2), k=k, batch=16, seed=3, r1=0.1,
                 loss=minimax_loss, at=[0, 2, 4], watch=lambda: {"weight": g[0].weight.sum().item()})  # fmt: skip
    first, second, chance = (
        ADAM(other_g.parameters(), 1e-2),
        ADAM(other_d.parameters(), 2e-2),
        draw(3),
    )
    losses, weights = [], [other_g[0].weight.sum().item()]
    for _ in range(4):
        for _ in range(k):
            real = data.sample(16, chance)
            noise = torch.randn(16, 2, generator=chance)
            loss = discriminator_step(other_g, other_d, second, real, noise, r1=0.1)
        noise = torch.randn(16, 2, generator=chance)
        losses.append([loss, generator_step(other_g, other_d, first, noise, loss=minimax_loss)])
        weights.append(other_g[0].weight.sum().item())
    for ours, other in zip([*g.parameters(), *d.parameters()], [*other_g.parameters(), *other_d.parameters()]):  # fmt: skip
        assert torch.equal(ours, other)
    assert [row["step"] for row in found] == [0, 2, 4]
    assert [row["weight"] for row in found] == [weights[0], weights[2], weights[4]]
    assert math.isnan(found[0]["D"])
    for row, part in zip(found[1:], (losses[:2], losses[2:])):
        assert [row["D"], row["G"]] == pytest.approx(np.mean(part, 0).tolist())


@pytest.mark.parametrize("rules", [{"k": 0}, {"steps": -1}, {"batch": 0}])
def test_rules_that_cannot_be_played_are_refused(rules):
    with pytest.raises(ValueError, match="give steps >= 0, k >= 1 and batch >= 1"):
        play(*players(), ring(), **{"steps": 1} | rules)


def test_one_seed_is_one_game():
    results = []
    for _ in range(2):
        g, d = players()
        play(g, d, ring(), steps=3, batch=8, seed=5)
        results.append(g[0].weight.clone())
    assert torch.equal(*results)
