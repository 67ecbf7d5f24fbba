"""What holds for every explorer there is."""

import base64
import importlib
import io
import pkgutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from labnotes import explore
from labnotes.explore.base import SHARED, Explorer
from labnotes.explore.carried import check_bytes, check_numbers, data_uri

NAMES = [module.name for module in pkgutil.iter_modules(explore.__path__) if module.ispkg]


@pytest.mark.parametrize("name", NAMES)
def test_an_explorer_s_script_is_small_and_asks_no_other_host(name):
    module = importlib.import_module(f"labnotes.explore.{name}")
    (explorer,) = (
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Explorer) and kind is not Explorer
    )
    script = str(explorer._esm)
    assert len(script.encode()) <= 25_000
    assert script.replace("http://www.w3.org/2000/svg", "").count("http") == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_explorer_brings_its_own_copy_of_what_they_share(name):
    own = (SHARED[0].parent / name / f"{name}.js").read_text("utf8")
    assert "document.createElement" not in own


def test_an_attribute_may_be_a_listener_a_flag_or_left_out():
    from .node import inside

    document = """
        class Made {
            constructor(tag) { this.made = [tag]; }
            setAttribute(name, value) { this.made.push([name, value]); }
            addEventListener(name) { this.made.push(["on", name]); }
            append(...children) { this.made.push(children); }
        }
        const document = {
            createElement: (tag) => new Made(tag),
            createElementNS: (space, tag) => new Made(`${space} ${tag}`),
        };
    """
    script = document + SHARED[0].read_text("utf8")
    given = {"min": 0, "disabled": True, "hidden": False, "title": None}
    made = inside(script, 'h("input", { ...given, onclick: () => 0 }, "kid").made', given)
    assert made == ["input", ["min", 0], ["disabled", ""], ["on", "click"],
                    ["data-lm-suppress-shortcuts", "true"], ["kid"]]  # fmt: skip
    assert inside(script, 'h("rect").made[0]', None) == "http://www.w3.org/2000/svg rect"


def test_numbers_come_with_the_state_or_once_from_a_script_beside_the_page():
    from .node import inside

    document = """
        let asked = 0;
        globalThis.document = {
            createElement: () => ({ append() {}, setAttribute(name, value) { this[name] = value; },
                                    addEventListener(kind, act) { this[kind] = act; } }),
            head: { append(script) {
                asked += 1;
                if (script.src === "../gone.js") return script.error();
                globalThis.labnotesWeights[script.src.split("/").at(-1)] = `of ${script.src}`;
                script.load();
            } },
        };
    """
    files = [*SHARED, SHARED[0].with_name("filed.js")]
    script = document + "".join(file.read_text("utf8") for file in files)
    found = inside(
        script,
        '[await filed("packed", ""), await filed("", "../a.js"), await filed("", "../a.js"), asked,'
        ' await filed("", "../gone.js").catch((error) => error.message)]',
        None,
    )
    assert found == ["packed", "of ../a.js", "of ../a.js", 1, "../gone.js does not come"]


# --- what they carry ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 5, 7), (5, 7)])
def test_a_picture_comes_back_from_its_address(shape):
    picture = torch.randint(256, shape, dtype=torch.uint8)
    kind, _, text = data_uri(picture, optimize=True).partition(",")
    assert kind == "data:image/png;base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    expected = picture.permute(1, 2, 0) if picture.ndim == 3 else picture
    assert np.array_equal(back, expected.numpy())


def test_another_format_says_so_in_the_address():
    text = data_uri(torch.zeros(3, 8, 8, dtype=torch.uint8), format="JPEG", quality=85)
    assert text.startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_named_running_statistics_too(wrong):
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    check_numbers(net)
    net[1].running_var[0] = wrong
    with pytest.raises(ValueError, match=r"1\.running_var holds numbers that are not finite"):
        check_numbers(net)


def test_what_is_too_large_to_fetch_is_refused():
    check_bytes("network", bytes(10), 10, "a smaller one")
    with pytest.raises(
        ValueError, match="the network takes 11 bytes, and a page may fetch 10: give"
    ):
        check_bytes("network", bytes(11), 10, "a smaller one")
