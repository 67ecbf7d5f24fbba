"""The GAN explorer: its JavaScript trains as torch does, its picture shows what was trained."""

import copy
import math
import re
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from scipy.stats import ks_2samp, kstest
from torch import nn

from labnotes.explore import gan_line as module
from labnotes.explore.gan_line import WORLDS, Chance, GanLineExplorer, density, places
from labnotes.gan.toy import pushed_density

from ..node import imported

SCRIPT = Path(module.__file__).with_name("gan_line.js")
run_js = partial(imported, SCRIPT)
SVG = "{http://www.w3.org/2000/svg}"

CASES = [
    {"data": "one", "loss": "non-saturating", "k": 1, "rate_g": 0.01, "rate_d": 0.01, "seed": 0},
    {"data": "two", "loss": "non-saturating", "k": 5, "rate_g": 0.003, "rate_d": 0.03, "seed": 1},
    {"data": "one", "loss": "saturating", "k": 1, "rate_g": 0.1, "rate_d": 0.001, "seed": 2},
    {"data": "two", "loss": "saturating", "k": 20, "rate_g": 0.03, "rate_d": 0.01, "seed": 3},
]
TRAIN = """console.log(JSON.stringify(data.map((d) => {
    const game = m.begin(d.weights.G, d.weights.D, d.seed), losses = [];
    for (let i = 0; i < 20; i++) {
        m.samples(game, d.worlds[d.data]);
        m.step(game, { data: d.worlds[d.data], k: d.k, rateG: d.rate_g, rateD: d.rate_d, loss: d.loss });
        losses.push(game.losses);
    }
    return { G: game.G, D: game.D, losses, samples: m.samples(game, d.worlds[d.data]), density: m.density(game.G),
             overlap: m.overlap(d.worlds[d.data], m.density(game.G)) };
})));"""


def flat(net):
    return nn.utils.parameters_to_vector(net.parameters()).detach().numpy()


@pytest.fixture(scope="module")
def trained():
    """Each case, what the page made of it in twenty steps, and the explorer that Python plays."""
    explorers = [GanLineExplorer(steps=20, **case) for case in CASES]
    table = [case | {"weights": e.weights, "worlds": WORLDS} for case, e in zip(CASES, explorers)]
    return list(zip(run_js(TRAIN, table), explorers, strict=True))


def test_twenty_steps_in_the_page_are_those_of_torch(trained):
    for found, explorer in trained:
        generator, discriminator, losses = explorer.play()
        assert np.array(found["losses"]) == pytest.approx(np.array(losses), abs=1e-6)
        for net, name in ((generator, "G"), (discriminator, "D")):
            before = np.array(explorer.weights[name])
            assert np.array(found[name]) == pytest.approx(flat(net), abs=1e-6)
            assert np.abs(flat(net) - before).max() > 1e-3
        assert np.array(found["density"]) == pytest.approx(density(generator).numpy(), abs=1e-6)


def test_one_step_of_the_explorer_is_binary_cross_entropy_and_torchs_adam():
    explorer = GanLineExplorer(steps=1, rate_d=0.03)
    generator, discriminator = explorer.players()
    chance = Chance(0)
    real = explorer._real(chance)
    fake = generator(module._noise(chance)).detach()
    says, told = discriminator(real), discriminator(fake)
    bce = F.binary_cross_entropy_with_logits
    loss = bce(says, torch.ones_like(says)) + bce(told, torch.zeros_like(told))
    adam = torch.optim.Adam(discriminator.parameters(), lr=0.03, betas=(0.5, 0.9))
    loss.backward()
    adam.step()
    _, ours, losses = explorer.play()
    assert losses[0][0] == pytest.approx(loss.item())
    assert flat(ours) == pytest.approx(flat(discriminator), abs=1e-9)


def test_the_pages_chance_is_pythons_and_its_numbers_are_normal():
    chance = Chance(7)
    ours = [chance.uniform() for _ in range(50)] + [chance.normal() for _ in range(50)]
    found = run_js(
        """const c = { state: 7 }, draw = (f) => Array.from({ length: 50 }, () => f(c));
        console.log(JSON.stringify([...draw(m.uniform), ...draw(m.normal)]));""",
        0,
    )
    assert found == pytest.approx(ours, abs=1e-12)
    chance = Chance(1)
    assert kstest([chance.normal() for _ in range(5000)], "norm").pvalue > 0.01
    assert kstest([chance.uniform() for _ in range(5000)], "uniform").pvalue > 0.01


def test_the_density_is_that_of_many_samples(trained):
    generator = trained[0][1].play()[0]
    edges = torch.linspace(-4.05, 4.05, 82, dtype=torch.float64)
    counted = pushed_density(copy.deepcopy(generator).float(), edges.float(), 200_000)
    reached = 0.1 * density(generator).cumsum(0)
    assert reached.numpy() == pytest.approx(0.1 * counted.cumsum(0).numpy(), abs=0.05)
    wide = nn.Sequential(nn.Linear(1, 1)).double()
    with torch.no_grad():
        wide[0].weight.fill_(9), wide[0].bias.fill_(0)
    found = density(wide)  # most of it lies outside of the picture
    normal = torch.exp(-((places() / 9) ** 2) / 2) / (9 * math.sqrt(2 * math.pi))
    assert found[1:-1].numpy() == pytest.approx(normal[1:-1].numpy(), abs=0.006)


def test_the_density_of_the_data_is_scipys(trained):
    from scipy.stats import norm

    for name, world in WORLDS.items():
        expected = np.mean([norm.pdf(places(), c, world["std"]) for c in world["centres"]], 0)
        assert GanLineExplorer(data=name).truth().numpy() == pytest.approx(expected, abs=1e-9)
        js = run_js("console.log(JSON.stringify(m.places.map((x) => m.truth(data, x))));", world)
        assert js == pytest.approx(expected, abs=1e-9)


def test_the_samples_come_from_the_two_densities(trained):
    torch.manual_seed(0)
    for found, explorer in trained:
        generator, samples = explorer.play()[0], found["samples"]
        for name, drawn in explorer.samples(generator).items():
            assert len(drawn) == 64
            assert samples[name] == pytest.approx(drawn, abs=1e-5)
        many = {"real": [], "made": []}
        explorer = GanLineExplorer(data=explorer.data)
        for explorer.steps in range(30):
            for name, drawn in explorer.samples(generator).items():
                many[name] += drawn
        reached = 0.1 * (explorer.truth().cumsum(0) - explorer.truth() / 2).numpy()
        real = kstest(many["real"], np.interp, args=(places().numpy(), reached))
        with torch.no_grad():
            pushed = generator(torch.randn(20_000, 1, dtype=torch.float64))[:, 0]
        assert min(real.pvalue, ks_2samp(many["made"], pushed.numpy()).pvalue) > 0.001


def test_the_words_tell_step_losses_and_overlap(trained):
    found, explorer = trained[2]
    generator, discriminator, losses = explorer.play()
    said = run_js(
        """const game = { G: data.G, D: data.D, steps: 20, losses: data.losses };
        console.log(JSON.stringify([m.summary(game, data.world), m.summary({ ...game, losses: null }, data.world)]));""",
        {"G": found["G"], "D": found["D"], "losses": losses[-1], "world": WORLDS["one"]},
    )
    d, g = (f"{v:.2f}".replace("-", "−") for v in losses[-1])
    share = f"The generated density lies on {math.floor(100 * found['overlap'] + 0.5)} % of the real one."
    assert said[0] == f"Step 20. Loss of D {d} (1.39 if it always says one half), of G {g}. {share}"
    assert said[1] == f"Step 20. {share}"
    shared = 0.1 * torch.minimum(density(generator), explorer.truth()).sum().item()
    assert found["overlap"] == pytest.approx(shared, abs=1e-6)
    assert f"{100 * shared:.0f} %" in explorer.describe()


def test_the_picture_draws_the_curves_of_the_trained_networks():
    explorer = GanLineExplorer(steps=20)
    svg = ElementTree.fromstring(explorer.still_svg())
    assert svg.find(f"{SVG}title").text == explorer.describe()
    texts = ["".join(t.itertext()) for t in svg.iter(f"{SVG}text")]
    assert texts == ["best answer of D", "real", "D says, from 0 to 1", "generated"]
    curves = [p.get("d") for p in svg.iter(f"{SVG}path") if len(p.get("d")) > 500]
    discriminator = explorer.play()[1]
    with torch.no_grad():
        says = discriminator(places()[:, None]).sigmoid()[:, 0].numpy()
    drawn = np.array(re.findall(r"[\d.-]+", curves[2]), float).reshape(-1, 2)[:, 1]
    assert (250 - drawn) / 220 == pytest.approx(says, abs=0.001)
    strokes = [p.get("d") for p in svg.iter(f"{SVG}path") if "v8" in p.get("d")]
    for stroke, xs in zip(strokes, explorer.samples(explorer.play()[0]).values(), strict=True):
        left = np.array(re.findall(r"M([\d.-]+)", stroke), float)
        assert left == pytest.approx(20 + 75 * (np.clip(xs, -4, 4) + 4), abs=0.06)
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


def test_the_explorer_leaves_the_notebooks_chance_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    GanLineExplorer()
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    "traits", [{"data": "three"}, {"loss": "hinge"}, {"k": 2}, {"rate_g": 1.0}, {"steps": 1001}]
)
def test_a_state_that_cannot_be_is_refused(traits):
    with pytest.raises(traitlets.TraitError, match=next(iter(traits))):
        GanLineExplorer(**traits)
