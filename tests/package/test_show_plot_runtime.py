"""The small modules that every chapter leans on: runtime, plot, show, and the check of exercises."""

import inspect
import io
import random
import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt

from labnotes import exercises, plot, runtime, show
from labnotes.convnets import fully_convolutional
from labnotes.exercises import Case, check, checker

# ---- runtime ----


def test_the_device_is_the_one_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")
    monkeypatch.setenv("LABNOTES_DEVICE", "cuda:1")
    assert runtime.device() == torch.device("cuda", 1)


def test_a_device_that_torch_does_not_know_is_refused_with_what_to_write(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "abacus")
    with pytest.raises(ValueError, match="abacus.*use for example cpu, cuda"):
        runtime.device()


def test_without_the_variable_the_first_accelerator_there_is_used(monkeypatch):
    monkeypatch.delenv("LABNOTES_DEVICE", raising=False)
    for cuda, mps, expected in [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert runtime.device().type == expected


@pytest.mark.parametrize("device, value", [("cpu", 2), ("cuda", 30), ("mps", 30)])
def test_by_device_gives_the_small_size_to_the_cpu_alone(monkeypatch, device, value):
    monkeypatch.setenv("LABNOTES_DEVICE", device)
    assert runtime.by_device(cpu=2, gpu=30) == value


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_record_has_one_size_on_every_device(monkeypatch, tmp_path, device):
    monkeypatch.setenv("LABNOTES_DEVICE", device)
    assert not runtime.recording()
    monkeypatch.setenv("LABNOTES_RECORD", str(tmp_path))
    assert runtime.recording()
    assert runtime.by_device(cpu=2, gpu=30) == 30
    assert runtime.by_device(cpu=2, gpu=30, record=9) == 9
    assert runtime.by_device(cpu=2, gpu=30, record=0) == 0


def test_by_device_takes_names_only_so_that_the_sizes_cannot_be_swapped():
    with pytest.raises(TypeError):
        runtime.by_device(2, 30)


def test_one_seed_gives_the_same_numbers_in_python_numpy_and_torch():
    def draw():
        return random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist()

    runtime.seed_everything(7)
    first, later = draw(), draw()
    runtime.seed_everything(7)
    assert draw() == first != later
    runtime.seed_everything(8)
    other = draw()
    assert all(a != b for a, b in zip(first, other))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", None])
def test_a_seed_that_numpy_would_refuse_is_refused_before_anything_is_seeded(seed):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="from 0 to 2\\*\\*32 - 1"):
        runtime.seed_everything(seed)
    assert torch.equal(torch.get_rng_state(), state)


def test_describe_reports_what_a_result_depends_on(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    facts = runtime.describe()
    assert facts["torch"] == torch.__version__
    assert facts["python"] == sys.version.split()[0]
    assert facts["device"] == "cpu"
    assert facts["threads"] == str(torch.get_num_threads())
    assert all(type(v) is str and v for v in facts.values())


# ---- plot ----


@pytest.fixture
def fresh_rc():
    with matplotlib.rc_context():
        yield


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in matplotlib.colors.to_rgb(colour)
    ]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(one, other):
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#121212", "#14181e"])
def test_ink_can_be_read_on_the_light_and_on_the_dark_ground(ground):
    assert contrast(plot.INK, ground) >= 4.0  # axes and ticks are graphics (3:1) with large labels


def test_queries_keys_values_and_errors_each_have_a_colour_of_their_own():
    names = ["query", "key", "value", "error", "mask"]
    assert len({plot.COLORS[n] for n in names}) == len(names)
    assert plot.COLORS["query"] == "#0072B2"  # Okabe and Ito's blue


def test_use_makes_figures_transparent_and_cycles_through_the_palette(fresh_rc):
    plot.use()
    figure, axes = plt.subplots()
    assert figure.get_facecolor()[3] == 0
    assert axes.get_facecolor()[3] == 0
    lines = [axes.plot([0, i])[0].get_color() for i in range(3)]
    assert lines == [plot.BLUE, plot.ORANGE, plot.GREEN]
    plt.close(figure)


def test_the_same_figure_is_the_same_svg_file_every_time(fresh_rc):
    plot.use()

    def draw():
        figure, axes = plt.subplots()
        axes.plot([1, 3, 2], label="a")
        axes.fill_between([0, 1, 2], [1, 3, 2], alpha=0.2)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)
        return file.getvalue()

    assert draw() == draw()


def test_use_and_images_work_in_plain_python_too(fresh_rc):
    plot.use()
    plot.images()


# ---- show.source ----


def test_source_shows_the_file_and_the_line_where_the_function_stands():
    shown = show.source(runtime.by_device)
    first = inspect.getsourcelines(runtime.by_device)[1]
    assert shown.place == f"labnotes/runtime.py, line {first}"
    assert shown.code.startswith("def by_device(")


def test_source_of_a_decorated_function_is_its_own_and_not_the_decorators():
    shown = show.source(fully_convolutional)  # under torch.no_grad()
    assert shown.place.startswith("labnotes/convnets/vgg.py, line ")
    assert "def fully_convolutional(" in shown.code


def test_source_leaves_docstrings_out_unless_asked_and_the_rest_still_runs():
    short, full = (
        show.source(runtime.by_device).code,
        show.source(runtime.by_device, docstring=True).code,
    )
    assert ">>>" not in short and ">>>" in full
    scope = {"T": runtime.T, "device": lambda: torch.device("cuda"), "recording": lambda: False}
    exec(short, scope)
    assert scope["by_device"](cpu=1, gpu=2) == 2


def test_source_takes_the_docstrings_out_of_a_class_and_of_all_its_methods():
    code = show.source(show.Source).code
    assert "Source text that" not in code
    assert "def __repr__" in code
    compile(code, "Source", "exec")


def test_source_dedents_a_method():
    assert show.source(show.Source.__init__).code.startswith("def __init__")


def only_a_docstring():
    """Nothing else."""


def test_a_body_of_nothing_but_a_docstring_keeps_it():
    code = show.source(only_a_docstring).code
    compile(code, "only", "exec")
    assert "Nothing else." in code


def test_source_keeps_comments_and_strings_that_are_no_docstring():
    def f(x):
        """Gone."""
        # kept: a comment
        text = """kept: a string"""
        return x, text

    code = show.source(f).code
    assert "Gone" not in code and code.count("kept") == 2


@pytest.mark.parametrize("thing", [len, 3, torch.nn.functional.conv2d])
def test_source_of_what_has_none_says_what_to_give_instead(thing):
    with pytest.raises(TypeError, match="give a function, class or method written in Python"):
        show.source(thing)


def test_the_page_gets_a_highlighted_block_and_a_terminal_plain_text():
    shown = show.source(runtime.by_device)
    bundle = shown._repr_mimebundle_()
    (fence,) = [t for t in MarkdownIt().parse(bundle["text/markdown"]) if t.type == "fence"]
    assert fence.info == "python"
    assert fence.content == bundle["text/plain"] + "\n" == repr(shown) + "\n"


# ---- show.table ----


def cells_of(markdown):
    """The rows of the only table in `markdown`, as markdown-it reads them."""
    tokens = MarkdownIt().enable("table").parse(markdown)
    assert sum(t.type == "table_open" for t in tokens) == 1
    rows = []
    for token, before in zip(tokens[1:], tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and before.type in {"th_open", "td_open"}:
            rows[-1].append("".join(c.content for c in token.children))
    return rows


def test_a_table_reads_as_a_markdown_table_with_numbers_formatted():
    table = show.table(
        [
            {"net": "plain", "parameters": 1234567, "error": 0.123456},
            {"net": "residual", "parameters": 89, "error": 12.0},
        ]
    )
    assert cells_of(table._repr_markdown_()) == [
        ["net", "parameters", "error"],
        ["plain", "1,234,567", "0.1235"],
        ["residual", "89", "12"],
    ]


def test_columns_of_numbers_and_no_others_are_aligned_to_the_right():
    table = show.table([{"net": "a", "n": 1, "deep": True}, {"net": "b", "n": 2.5, "deep": False}])
    assert table._repr_markdown_().splitlines()[1] == "|---|---:|---|"


def test_a_bar_in_a_cell_or_in_a_heading_does_not_split_it():
    table = show.table([{"|x|": "a|b", "plain": True}])
    assert cells_of(table._repr_markdown_()) == [["|x|", "plain"], ["a|b", "True"]]


def test_the_caption_stands_above_the_table_in_both_forms():
    table = show.table([{"a": 1}], caption="Depth helps")
    assert repr(table).splitlines()[0] == "Depth helps"
    assert table._repr_markdown_().startswith("**Depth helps**\n\n|")
    assert cells_of(table._repr_markdown_()) == [["a"], ["1"]]


def test_the_plain_table_lines_its_columns_up():
    lines = repr(show.table([{"net": "plain", "n": 1}, {"net": "residual", "n": 22}])).splitlines()
    assert lines == ["net       n", "plain     1", "residual  22"]


def test_a_table_of_nothing_or_of_unlike_rows_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        show.table([])
    with pytest.raises(ValueError, match=r"row 1 has the keys \['b'\], row 0 has \['a'\]"):
        show.table([{"a": 1}, {"b": 1}])


# ---- exercises.check ----


@pytest.fixture
def exercise(monkeypatch):
    """Register a checker of a chapter that has no module, for one test."""
    monkeypatch.setattr(exercises, "_CHECKERS", {})

    def register(*cases):
        @checker("scratch.it")
        def _(answer):
            for got, expected, *rest in cases:
                yield Case("it()", got, expected, *rest)

    return register


def passes(exercise, got, expected, *rest):
    exercise((got, expected, *rest))
    return check("scratch.it", lambda: None)


T = torch.tensor


@pytest.mark.parametrize(
    "got, expected",
    [
        (1.0, 1.0),
        (1, 1.0),
        (1.0 + 1e-9, 1.0),
        (float("inf"), float("inf")),
        (True, True),
        ("a", "a"),
        ([1, 2.0], [1, 2.0]),
        ((1, "a"), (1, "a")),
        (T([1, 2]), T([1, 2])),
        (T([True, False]), T([True, False])),
        (T([1.0, float("nan")]), T([1.0, float("nan")])),
        ([T([1.0]), 2], [T([1.0]), 2]),
        (T(3.0), T(3.0)),
        (T([1.0, float("-inf")]), T([1.0, float("-inf")])),
    ],
)
def test_equal_values_pass(exercise, got, expected):
    assert passes(exercise, got, expected)


@pytest.mark.parametrize(
    "got, expected",
    [
        (1.1, 1.0),
        (float("nan"), 1.0),
        (float("nan"), float("nan")),
        (float("inf"), 1.0),
        (True, 1),
        (1, True),
        ("1", 1),
        (None, 1.0),
        (T(1.0), 1.0),
        (1.0, T(1.0)),
        ([1], (1,)),
        ([1], [1, 2]),
        ([1, 3], [1, 2]),
        (T([1]), T([1.0])),
        (T([1.0]).double(), T([1.0])),
        (T([[1.0]]), T([1.0])),
        (T([1, 3]), T([1, 2])),
        (T([True, True]), T([True, False])),
        (T([float("nan")]), T([1.0])),
        (T([1.0]), T([float("nan")])),
        ([T([1.0]), 2], [T([1.5]), 2]),
        (np.array([1.0]), T([1.0])),
        (torch.nn.Parameter(T([1.0])), T([1.0])),
    ],
)
def test_unlike_values_fail(exercise, got, expected, capsys):
    assert not passes(exercise, got, expected)
    assert "✗ scratch.it" in capsys.readouterr().out


def test_a_number_that_claims_to_equal_everything_fails(exercise):
    class Yes(float):
        def __eq__(self, other):
            return True

        def __sub__(self, other):
            return 0.0

    assert not passes(exercise, Yes(3), 1.0)


def test_the_tolerance_is_absolute_plus_relative(exercise):
    assert passes(exercise, 1000.9, 1000.0, 1e-3)
    assert not passes(exercise, 1001.1, 1000.0, 1e-3)
    assert passes(exercise, T([0.0009, 1000.9]), T([0.0, 1000.0]), 1e-3)
    assert not passes(exercise, T([0.0011]), T([0.0]), 1e-3)


def test_a_failure_shows_call_expected_got_and_hint(exercise, capsys):
    exercise((2.0, 2.0), (3.0, 4.0, 1e-6, "square first"))
    assert not check("scratch.it", lambda: None)
    out = capsys.readouterr().out
    for part in [
        "not the expected number",
        "called    it()",
        "expected  4.0",
        "got       3.0",
        "square first",
    ]:
        assert part in out


def test_an_error_of_the_reader_is_named_and_the_page_goes_on(capsys):
    def broken(*args):
        raise IndexError("list index out of range")

    assert check("tensors.weighted_means", broken) is False
    assert "raised IndexError: list index out of range" in capsys.readouterr().out


def test_an_unknown_exercise_is_an_error_that_lists_the_known_ones():
    with pytest.raises(KeyError, match="tensors.majority_vote"):
        check("tensors.no_such", lambda: None)
    with pytest.raises(KeyError, match="none"):
        check("no_such_chapter.it", lambda: None)


def test_a_checker_that_tries_nothing_is_an_error_and_no_pass(exercise):
    exercise()
    with pytest.raises(RuntimeError, match="tried no case"):
        check("scratch.it", lambda: None)


def test_check_needs_no_file_and_no_other_package_than_torch():
    code = (
        "import sys, labnotes.exercises as e;"
        "e.check('tensors.weighted_means', lambda w, v: w.bmm(v) / w.sum(-1, keepdim=True));"
        "assert not {'matplotlib', 'sklearn', 'scipy', 'pandas', 'd2l'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "all 4 checks pass" in run.stdout
