"""The latent walk explorer: its JavaScript is torch's generator, and its way is the arc."""

import base64
import doctest
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy.spatial import geometric_slerp
from torch import nn

from labnotes.explore import latent_walk as module
from labnotes.explore.latent_walk import LatentWalkExplorer, as_bytes, pack, rounded, walk
from labnotes.gan.dcgan import Generator
from labnotes.train import recorded

from ..node import inside

SCRIPT = (Path(module.__file__).with_name("latent_walk.js")).read_text("utf8")
SCRIPT = SCRIPT.replace("export default { render };", "").replace("export ", "")
run_js = partial(inside, SCRIPT)


def made(latent=5, channels=(6, 4), seed=0):
    """A generator whose pictures have contrast, and whose normalizations do something."""
    torch.manual_seed(seed)
    net = Generator(latent, channels)
    nn.init.normal_(net.project.weight, std=0.3)
    for layer in net.grow:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2)
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.1)
    return net.eval()


@pytest.mark.parametrize("make", [
    made,
    partial(made, 32, (48, 32)),
    lambda: recorded("gan/images/generator", Generator(channels=(32, 96))),  # the chapter's
])  # fmt: skip
def test_javascript_draws_torchs_pictures(make):
    net = make()
    small = rounded(net)
    z = torch.randn(4, net.latent, generator=torch.Generator().manual_seed(1))
    given = {
        "packed": base64.b64encode(pack(small)).decode(), "z": z.tolist(),
        "sizes": [net.latent, net.grow[1].num_features, net.grow[4].num_features],
    }  # fmt: skip
    found = run_js(
        "(() => { const net = generator(given.packed, given.sizes);"
        " return given.z.map((z) => Array.from(draw(net, z))); })()",
        given,
    )
    with torch.no_grad():
        expected = small(z).flatten(1).numpy()
    assert expected.std() > 0.02  # else all pictures would do
    assert np.abs(np.array(found) - expected).max() < 1e-4
    assert len(pack(small)) <= 300_000


def test_folding_and_rounding_hardly_change_a_picture_and_leave_the_generator_as_it_was():
    net = made()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    z = torch.randn(4, 5)
    with torch.no_grad():
        assert (rounded(net)(z) - net(z)).abs().max() < 2e-3
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_what_is_packed_is_what_is_computed_with():
    small = rounded(made())
    assert pack(rounded(small)) == pack(small)


def test_a_transposed_convolution_is_torchs():
    torch.manual_seed(0)
    x, layer = torch.randn(3, 5, 5), nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1)
    given = {
        "x": x.flatten().tolist(),
        "kernel": layer.weight.flatten().tolist(),
        "bias": layer.bias.tolist(),
    }
    found = run_js("Array.from(grow(given.x, given.kernel, given.bias, 3, 2, 5))", given)
    assert np.array(found) == pytest.approx(layer(x[None]).flatten().detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_the_way_is_scipys_arc_with_lengths_in_between(t):
    draw = np.random.default_rng(0)
    start, end = draw.normal(size=(2, 7))
    a, b = np.linalg.norm(start), np.linalg.norm(end)
    expected = geometric_slerp(start / a, end / b, t) * ((1 - t) * a + t * b)
    ours = walk(torch.tensor(start), torch.tensor(end), 5)[int(4 * t)]
    assert ours.numpy() == pytest.approx(expected, abs=1e-9)
    found = run_js("between(given.ends, given.t)", {"ends": [start.tolist(), end.tolist()], "t": t})
    assert found == pytest.approx(expected.tolist(), abs=1e-9)


def test_between_a_point_and_its_double_the_way_is_straight():
    start = torch.tensor([1.0, 2.0, -2.0])
    expected = [[1, 2, -2], [1.5, 3, -3], [2, 4, -4]]
    assert walk(start, 2 * start, 3).tolist() == pytest.approx(np.array(expected))
    found = run_js("between([[1, 2, -2], [2, 4, -4]], 0.5)", None)
    assert found == pytest.approx([1.5, 3, -3])


def test_noise_is_normal_and_directions_add_up():
    found = np.array(run_js("noise(20000)", None))
    assert abs(found.mean()) < 0.04 and found.std() == pytest.approx(1, abs=0.04)
    moved = run_js("moved([1, 2], [[1, 0], [0.6, 0.8]], [2, -0.5])", None)
    assert moved == pytest.approx([1 + 2 - 0.3, 2 - 0.4])


def test_bytes_and_differences_are_the_packages():
    picture = torch.linspace(-1, 1, 784)
    found = run_js("Array.from(asBytes(given))", picture.tolist())
    assert np.abs(np.array(found) - as_bytes(picture).numpy()).max() <= 1
    assert run_js("difference([0, 255, 51], [0, 0, 0])", None) == pytest.approx(40)


def test_the_sentence_says_where_one_is():
    say = (
        "outcome({ part: given, offsets: [0, -1.5], names: ['a', 'b'], change: 3.14, length: 5.5 })"
    )
    assert run_js(say, 0.5) == (
        "50\u00a0% of the way, b \u22121.5. A pixel differs from the first picture by 3.1\u00a0% on "
        "average. The latent vector is 5.5 long."
    )
    assert run_js(say, 0).startswith("At the first end, b")
    assert run_js(say, 1).startswith("At the second end")


def test_a_wrong_number_of_bytes_is_refused():
    packed = base64.b64encode(pack(rounded(made()))[:-2]).decode()
    said = """(() => { try { generator(given, [5, 6, 4]); return ""; }
        catch (e) { return e.message; } })()"""
    assert "bytes, the network has" in run_js(said, packed)


def test_the_explorer_holds_ten_frames_from_one_end_to_the_other():
    net, ends = made(), torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    explorer = LatentWalkExplorer(net, ends, torch.eye(5)[:3], ["one", "two", "three"])
    frames = np.frombuffer(base64.b64decode(explorer.frames), "u1").reshape(10, 28, 28)
    with torch.no_grad():
        expected = as_bytes(rounded(net)(ends))[:, 0].numpy()
    assert np.abs(frames[[0, -1]].astype(int) - expected).max() <= 1
    assert explorer.sizes == [5, 6, 4] and explorer.byte_counts == [len(pack(rounded(net)))]
    svg = ElementTree.fromstring(explorer.still_svg())
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}image"))) == 10
    assert explorer.describe() == svg.find("{http://www.w3.org/2000/svg}title").text
    data, _ = explorer._repr_mimebundle_()
    assert data["image/svg+xml"] == explorer.still_svg()
    assert LatentWalkExplorer(net, ends, torch.eye(5)[:2]).names == ["Direction 1", "Direction 2"]


def test_what_cannot_be_shown_is_refused():
    net, ends, ways = made(), torch.randn(2, 5), torch.eye(5)[:2]
    broken = made()
    broken.grow[6].bias.data[0] = torch.nan
    for arguments, words in (
        ((Generator(5, (6, 4), 3).eval(), ends, ways), "grey pictures"),
        ((net, ends[:1], ways), r"ends have the shape \(1, 5\)"),
        ((net, ends, torch.eye(4)), r"directions have the shape \(4, 4\)"),
        ((net, ends * torch.nan, ways), "an end or a direction is not finite"),
        ((net, ends, ways / 0), "an end or a direction is not finite"),
        ((net, ends, ways, ["one"]), "2 directions and 1 names"),
        ((broken, ends, ways), "grow.6.bias holds numbers that are not finite"),
        ((Generator(64, (64, 32)).eval(), torch.randn(2, 64), torch.eye(64)[:1]), "may fetch"),
    ):
        with pytest.raises(ValueError, match=words):
            LatentWalkExplorer(*arguments)


@pytest.mark.parametrize(
    "start, end, count, words",
    [
        (torch.ones(3), torch.ones(2), 3, "end"),
        (torch.ones(3), torch.ones(3), 1, "count is 1"),
        (torch.zeros(3), torch.ones(3), 3, "an end is 0"),
        (torch.ones(3), -torch.ones(3), 3, "opposite"),
    ],
)
def test_where_there_is_no_way_the_walk_says_so(start, end, count, words):
    with pytest.raises(ValueError, match=words):
        walk(start, end, count)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0
