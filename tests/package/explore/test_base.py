"""What holds for every explorer there is."""

import importlib
import pkgutil

import pytest

from labnotes import explore
from labnotes.explore.base import SHARED, Explorer

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
