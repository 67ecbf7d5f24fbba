"""Every coding exercise of the book: its stub is kind, its solution passes, faults are refused.

The cells come from the chapters, so a chapter that is added is tested without a word here. The
usual misconceptions are planted by hand, in ``<part>/test_<chapter>.py``.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import symtable
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from myst_nb.core.read import myst_nb_reader_plugin

from labnotes import exercises
from labnotes.exercises import Case, attempt, check
from labnotes_site.keys import Chapter, chapters

ROOT = Path(__file__).parents[3]
CHECK = re.compile(r"""\bcheck\(\s*["'](?P<name>[\w.]+)["'],\s*(?P<function>\w+)""")
BOOK = chapters(ROOT)


# --- the exercises of a chapter ------------------------------------------------------------------


@dataclass(frozen=True)
class Exercise:
    """A stub, and what the chapter has for it further down; empty where there is nothing."""

    chapter: Chapter
    function: str  #: what the reader writes
    stub: str
    asked: str  #: the name in the check cell
    solution: str
    solved: str  #: the name in the check below the solution


def defined(source: str) -> str:
    """The last function or class that `source` defines, "" if none."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in ast.parse(source).body if isinstance(node, kinds)]
    return names[-1] if names else ""


def exercises_of(chapter: Chapter) -> list[Exercise]:
    cells = [c for c in chapter.notebook.cells if c.cell_type == "code"]
    tagged = [(c.source, c.metadata.get("tags", [])) for c in cells]
    starts = [n for n, (_, tags) in enumerate(tagged) if "exercise-stub" in tags]
    found = []
    for start, end in zip(starts, [*starts[1:], len(tagged)]):
        function = defined(tagged[start][0])
        asked = solved = solution = ""
        for source, tags in tagged[start + 1 : end]:
            names = [m["name"] for m in CHECK.finditer(source) if m["function"] == function]
            if "exercise-solution" not in tags:
                asked = asked or "".join(names[:1])
            elif defined(source) == function:
                solution, solved = source, "".join(names[:1])
        found.append(Exercise(chapter, function, tagged[start][0], asked, solution, solved))
    return found


MODULES = [
    module.name
    for module in pkgutil.walk_packages(exercises.__path__, "labnotes.exercises.")
    if not module.ispkg
]


def known(name: str) -> bool:
    """Whether there is a checker of this name."""
    chapter = name.partition(".")[0]
    for module in MODULES:
        if module.endswith(f".{chapter}"):
            importlib.import_module(module)
    return name in exercises._CHECKERS


ALL = [e for chapter in BOOK for e in exercises_of(chapter)]
WHOLE = [pytest.param(e, id=e.asked) for e in ALL if e.asked and e.solution]


def missing(chapter: Chapter) -> list[str]:
    """What the coding exercises of a chapter lack, in words."""
    found, prefix = [], chapter.path.stem.replace("-", "_")
    for e in exercises_of(chapter):
        if not e.asked:
            found.append(f"no cell after the stub of {e.function} calls check(…, {e.function})")
        elif not known(e.asked):
            found.append(f"labnotes.exercises has no checker {e.asked}")
        elif not e.asked.startswith(f"{prefix}."):
            found.append(f"{e.asked} is a name of another chapter")
        if not e.solution or e.solved != e.asked:
            found.append(f"no solution of {e.function} that calls check again")
        if "NotImplementedError" not in e.stub or '"""' not in e.stub:
            found.append(f"the stub of {e.function} has no docstring or raises nothing")
    return found


@pytest.mark.parametrize("chapter", BOOK, ids=lambda c: c.docname)
def test_every_stub_has_a_check_a_checker_and_a_solution(chapter):
    assert exercises_of(chapter), "at least one exercise of a chapter checks itself"
    assert missing(chapter) == []


@pytest.mark.parametrize("chapter", BOOK, ids=lambda c: c.docname)
def test_no_check_leaves_a_bare_true_or_false_in_the_page(chapter):
    last = [source.rstrip().splitlines()[-1] for source in chapter.code if source.strip()]
    assert [line for line in last if line.startswith("check(") and not line.endswith(";")] == []


STUB = """```{code-cell} ipython3
:tags: [exercise-stub]
def twice(x):
    \"\"\"Two times x.\"\"\"
    raise NotImplementedError("Multiply.")
```
"""
CELL = "\n```{code-cell} ipython3\n%s\n```\n"


@pytest.mark.parametrize(
    "cells, complaint",
    [
        ([], "no cell after the stub of twice calls check"),
        (['check("bleu.clipped_precision", thrice)'], "no cell after the stub of twice"),
        (['check("scratch.twice", twice)'], "labnotes.exercises has no checker scratch.twice"),
        (['check("bleu.clipped_precision", twice)'], "is a name of another chapter"),
        (['check("scratch.twice", twice)'], "no solution of twice"),
    ],
)
def test_a_new_chapter_with_a_stub_and_no_checker_is_found_out(tmp_path, cells, complaint):
    path = tmp_path / "scratch.md"
    front = BOOK[0].path.read_text("utf8").split("labnotes:")[0] + "---\n"
    path.write_text(front + "# Scratch\n\n" + STUB + "".join(CELL % c for c in cells), "utf8")
    found = missing(Chapter("chapters/scratch", path, myst_nb_reader_plugin(str(path))))
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize("chapter", BOOK, ids=lambda c: c.docname)
def test_every_checker_has_wrong_answers_planted_by_hand(chapter):
    part, name = chapter.path.parent.name, chapter.path.stem.replace("-", "_")
    text = Path(__file__).with_name(part).joinpath(f"test_{name}.py").read_text("utf8")
    for e in exercises_of(chapter):
        assert f'"{e.asked}"' in text or f'"{e.asked.partition(".")[2]}"' in text, e.asked


def test_every_checker_belongs_to_an_exercise():
    for module in MODULES:
        importlib.import_module(module)
    ours = {n for n, f in exercises._CHECKERS.items() if f.__module__.startswith("labnotes.")}
    assert ours == {e.asked for e in ALL}


# --- the stub and the solution, as the reader has them -------------------------------------------


def wanted_by(node: ast.stmt) -> set[str]:
    """The names that a statement takes from outside, its functions included."""
    found, waiting = set(), [symtable.symtable(ast.unparse(node), "cell", "exec")]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        inside = table.get_type() != "module"
        found |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (s.is_global() if inside else not s.is_assigned())
        }
    return found


def bound(node: ast.stmt) -> set[str]:
    """The names that a statement of a chapter's cell defines."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).partition(".")[0] for a in node.names}
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return set()


def made(exercise: Exercise, source: str) -> Callable:
    """What `source` defines for the exercise, with the imports and helpers of the chapter that it uses."""
    body = [n for n in ast.parse(source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    aside = {"exercise-stub", "exercise-solution"}
    before = [
        node
        for cell in exercise.chapter.notebook.cells
        if cell.cell_type == "code" and not aside & set(cell.metadata.get("tags", []))
        for node in ast.parse(cell.source).body
    ]
    wanted, needed = set().union(*map(wanted_by, body)), []
    for node in reversed(before):
        if bound(node) & wanted and not bound(node) & {exercise.function}:
            needed.insert(0, node)
            wanted |= wanted_by(node)
    space: dict = {"__name__": "chapter"}
    exec(compile(ast.Module([*needed, *body], []), exercise.asked, "exec"), space)
    return space[exercise.function]


@pytest.mark.parametrize("exercise", WHOLE)
def test_the_chapters_solution_passes(exercise, capsys):
    assert check(exercise.asked, made(exercise, exercise.solution))
    assert capsys.readouterr().out.startswith(f"✓ {exercise.asked}")


@pytest.mark.parametrize("exercise", WHOLE)
def test_the_chapters_stub_is_told_kindly_what_to_do_first(exercise, capsys):
    assert not check(exercise.asked, made(exercise, exercise.stub))
    out = capsys.readouterr().out
    advice = re.search(r'NotImplementedError\(\s*"(.+)"', exercise.stub)[1]
    assert out.startswith(f"○ {exercise.asked}: not written yet. ") and advice in out


@pytest.mark.parametrize("exercise", WHOLE)
def test_a_checker_names_the_function_that_the_reader_wrote(exercise):
    assert known(exercise.asked)
    answer = partial(attempt, made(exercise, exercise.solution))
    calls = [case.call for case in exercises._CHECKERS[exercise.asked](answer)]
    named = [name for call in calls for name in re.findall(r"(\w+)\(", call)]
    own = exercise.asked.partition(".")[2]
    assert exercise.function in named
    assert own == exercise.function or own not in named


# --- faults that any result can have -------------------------------------------------------------


def tensor_faults(value: torch.Tensor) -> dict[str, object]:
    floating = value.is_floating_point()
    wider = torch.float64 if value.dtype == torch.float32 else torch.float32
    return {
        "zeros": torch.zeros_like(value),
        "nan": torch.full_like(value, torch.nan) if floating else value.float() * torch.nan,
        "a dimension more": value[None],
        "flat": value.flatten() if value.dim() > 1 else value.reshape(1, -1),
        "one place short": value[..., :-1] if value.dim() else value[None],
        "another dtype": value.to(wider if floating else torch.int32),
        "half precision": value.half(),
        "one more": value + 1,
        "a list": value.tolist(),
        "nothing": None,
    }


def number_faults(value: int | float) -> dict[str, object]:
    return {
        "zeros": 0 * value,
        "nan": float("nan"),
        "infinite": float("inf"),
        "a dimension more": [value],
        "another dtype": float(value) if isinstance(value, int) else str(value),
        "a tensor": torch.tensor(value),
        "a text": str(value),
        "one more": value + 1,
        "one less": value - 1,
        "nothing": None,
    }


def text_faults(value: str) -> dict[str, object]:
    return {"zeros": "", "one place short": value[:-1], "a list": [value], "nothing": None}


@dataclass
class Spoiler:
    """Plants one fault into results; `applied` tells whether any of them could have it."""

    fault: str
    where: str  #: in a list or tuple: "all" items, the "first", or the "last"
    applied: bool = False
    many: bool = False  #: whether any of them was a list or tuple, so that `where` matters

    def __call__(self, value: object) -> object:
        if isinstance(value, torch.nn.Module):
            forward = value.forward
            value.forward = lambda *arguments: self(forward(*arguments))
            return value
        if isinstance(value, (list, tuple)):
            return self.sequence(value)
        if isinstance(value, dict):
            return dict(zip(value, self.sequence(list(value.values()))))
        if value is None:  # "there is none" is an answer too
            found = {"zeros": 0, "nan": float("nan"), "a text": "None"}
        elif isinstance(value, torch.Tensor):
            found = tensor_faults(value)
        else:
            found = text_faults(value) if isinstance(value, str) else number_faults(value)
        self.applied |= self.fault in found
        return found.get(self.fault, value)

    def sequence(self, value: list | tuple) -> list | tuple:
        self.many = True
        whole = {"one item short": value[:-1], "items reversed": value[::-1]}
        if self.fault in whole and value:
            self.applied = True
            return whole[self.fault]
        chosen = {"all": range(len(value)), "first": [0], "last": [len(value) - 1]}[self.where]
        inner = Spoiler(self.fault, "all")
        new = type(value)(inner(v) if n in chosen else v for n, v in enumerate(value))
        self.applied |= inner.applied
        return new


FAULTS = {
    *tensor_faults(torch.zeros(1)),
    *number_faults(1),
    *text_faults(""),
    "one item short",
    "items reversed",
}


#: Layers of stride 1 may stand in any order.
RIGHT_ANYWAY = {("receptive_field.dilations", "items reversed")}
#: What they return comes back to them as an argument, and may raise there.
FED_BACK = {"translation.cached_step"}


@pytest.mark.parametrize("exercise", WHOLE)
def test_a_fault_in_the_result_is_refused(exercise, capsys):
    solution = made(exercise, exercise.solution)
    taken = []
    for fault in sorted(FAULTS):
        if (exercise.asked, fault) in RIGHT_ANYWAY:
            continue
        for where in ("all", "first", "last"):
            spoil = Spoiler(fault, where)
            if check(exercise.asked, lambda *a, spoil=spoil: spoil(solution(*a))) and spoil.applied:
                taken.append((fault, where))
            if not spoil.many:
                break
    assert taken == [], f"{exercise.asked} passes results with these faults"
    assert exercise.asked in FED_BACK or "raised" not in capsys.readouterr().out


# --- whose fault an exception is -----------------------------------------------------------------
@pytest.fixture
def scratch(monkeypatch):
    """Register the checker ``scratch.it``, which no chapter has, for one test."""
    monkeypatch.setattr(exercises, "_CHECKERS", {})
    return exercises.checker("scratch.it")


def one_case(answer):
    yield Case(call="it(2, 3)", got=answer(2, 3), expected=5)


def through_a_helper(a, b):
    return [a, b][2]


class Broken(torch.nn.Module):
    def forward(self, x):
        raise ValueError("no such shape")


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda a, b: through_a_helper(a, b), "IndexError: list index out of range"),
        (torch.cdist, "TypeError: cdist()"),  # no line of Python is the reader's
        (lambda a: a, "takes 1 positional argument but 2 were given"),
        (None, "'NoneType' object is not callable"),
        (lambda a, b: next(iter(())), "StopIteration"),
    ],
)
def test_what_the_readers_code_raises_is_told_and_the_page_goes_on(scratch, answer, said, capsys):
    scratch(one_case)
    assert check("scratch.it", answer) is False
    out = capsys.readouterr().out
    assert out.startswith("✗ scratch.it: your code raised ") and said in out


def test_what_a_returned_module_raises_is_the_readers_too(scratch, capsys):
    @scratch
    def _(answer):
        yield Case("it()(1)", attempt(answer(), 1), 1)

    assert check("scratch.it", Broken) is False
    assert "your code raised ValueError: no such shape" in capsys.readouterr().out
    # torch raises NotImplementedError for a module that has no forward.
    assert check("scratch.it", torch.nn.Module) is False
    assert "○ scratch.it: not written yet." in capsys.readouterr().out


@pytest.mark.parametrize("error", [ZeroDivisionError, AttributeError, NotImplementedError])
@pytest.mark.parametrize("after", [False, True])
def test_a_bug_of_the_checker_is_not_blamed_on_the_reader(scratch, error, after, capsys):
    @scratch
    def _(answer):
        if after:
            yield from one_case(answer)
        raise error("the checker's own")

    with pytest.raises(error, match="the checker's own"):
        check("scratch.it", lambda a, b: a + b)
    assert capsys.readouterr().out == ""


def test_a_bug_below_a_checker_of_the_book_is_not_blamed_on_the_reader(monkeypatch):
    from labnotes.exercises.sequences import bleu

    monkeypatch.setattr(bleu, "package_precision", lambda *_: 1 / 0)
    right = next(e for e in ALL if e.asked == "bleu.clipped_precision")
    with pytest.raises(ZeroDivisionError):
        check("bleu.clipped_precision", made(right, right.solution))


def test_a_result_that_no_float_can_hold_is_wrong_and_no_bug(scratch, capsys):
    @scratch
    def _(answer):
        yield Case("it()", answer(), 0.5)

    assert check("scratch.it", lambda: 10**400) is False
    assert "not the expected number" in capsys.readouterr().out


def test_whole_numbers_are_compared_exactly(scratch, capsys):
    @scratch
    def _(answer):
        yield Case("it()", answer(), 10**9)

    assert check("scratch.it", lambda: 10**9)
    assert not check("scratch.it", lambda: 10**9 + 1)
    assert not check("scratch.it", lambda: 1e9)
    assert "expected a whole number, an int, got a float" in capsys.readouterr().out


def test_a_tensor_on_another_device_is_named_as_such(scratch, capsys):
    @scratch
    def _(answer):
        yield Case("it()", answer(), torch.zeros(2))

    assert not check("scratch.it", lambda: torch.zeros(2, device="meta"))
    assert "expected a tensor on cpu, got one on meta" in capsys.readouterr().out
