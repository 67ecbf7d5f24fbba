"""Would the tests notice? Small faults are put into the taught code, one at a time.

Each (``+`` for ``-``, 0.6 for 0.3, a keyword left out) is written into a copy of the tree, and the
tests of its module run there. If none fails, a test is missing, or the change changes nothing.
"""

import argparse
import ast
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import Phase, settings

ROOT, PACKAGE = Path(__file__).resolve().parents[1], Path("code/labnotes")
TAUGHT = {file.parent.name for file in (ROOT / PACKAGE).glob("*/__init__.py")} | {"data/batches"}
TAUGHT -= {"data", "exercises", "explore"}  # which fetch, check answers and draw
TESTS = {"counting": "measure step", "measure": "measure step", "place": "measure step fit"}
TESTS |= {"fit": "fit step", "progress": "fit", "epochs": "fit resume", "lock": "checkpoint"}
# Without other plugins and their rounds of garbage collection, pytest starts in 0.2 s.
PLUGINS = "-p _hypothesis_pytestplugin -p no:unraisableexception -p no:threadexception".split()
# Names of operators in Python's syntax tree, and of functions and variables: each for the other.
PAIRS = """Pow Mult, MatMult Mult, Mod FloorDiv, Add Sub, Mult Div, BitAnd BitOr, And Or, Lt LtE,
Gt GtE, Eq NotEq, Is IsNot, In NotIn, any all, min max, sum mean, zeros ones, zeros_ ones_,
rows columns, height width, first second, AvgPool2d MaxPool2d, kaiming_normal_ kaiming_uniform_,
xavier_normal_ xavier_uniform_, Not UAdd, USub UAdd"""
OTHER = {k: v for a, b in map(str.split, PAIRS.split(",")) for k, v in ((a, b), (b, a))}


def nodes(node: ast.AST):
    """What computes something in a module: no docstring, annotation, decorator or error text."""
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    skipped = str(getattr(node, "name", "")).strip("_").startswith(("check", "repr", "extra_repr"))
    if not (docstring or skipped or isinstance(node, ast.Raise | ast.JoinedStr)):
        yield node
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns", "decorator_list"):
                for child in value if isinstance(value, list) else [value]:
                    yield from nodes(child) if isinstance(child, ast.AST) else ()


def faults(node: ast.AST):
    """What may stand in the place of a node, or of a part of it: pairs of a place and a text."""

    def changed(**fields) -> tuple[ast.AST, str]:
        other = type(node)(**vars(node) | fields)
        return node, f"({ast.unparse(other)})" if isinstance(node, ast.expr) else ast.unparse(other)

    match node:
        case ast.Constant(value=bool(v) | int(v) | float(v)):
            yield node, str({bool: not v, int: v + 1, float: 2 * v or 1.0}[type(v)])
        case ast.AST(op=ast.AST() as old) if type(old).__name__ in OTHER:
            yield changed(op=getattr(ast, OTHER[type(old).__name__])())
        case ast.Compare(ops=old):
            for i, op in enumerate(old):
                new = getattr(ast, OTHER[type(op).__name__])()
                yield changed(ops=[*old[:i], new, *old[i + 1 :]])
        case ast.IfExp() | ast.If(body=[ast.Assign() | ast.Expr() | ast.Return(), *_]):
            yield node.test, f"(not ({ast.unparse(node.test)}))"
        case ast.keyword(arg=str()):
            yield node, "**{}"  # left out
        case ast.Call(func=function, args=[ast.Name(x) as a, ast.Name(y) as b, *rest]) if x != y:
            if getattr(function, "id", "") not in ("isinstance", "zip", "min", "max"):
                yield changed(args=[b, a, *rest])
        case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name) if name in OTHER:
            yield changed(**{"id" if isinstance(node, ast.Name) else "attr": OTHER[name]})
        case ast.Expr() if not ast.unparse(node).startswith("super()"):
            yield node, "pass"
        case ast.Assign([ast.Name(x)], ast.Call() as call) if f"Name(id='{x}'" in ast.dump(call):
            yield node, "pass"  # x = f(x)


def mutants(module: Path):
    """Every fault that can be put into a module: its line, what it is, and the faulty source."""
    source = module.read_bytes()
    starts = [0, 0, *accumulate(map(len, source.splitlines(keepends=True)))]  # of line 1 on
    for node in nodes(ast.parse(source)):
        for at, new in faults(node):
            a, b = starts[at.lineno] + at.col_offset, starts[at.end_lineno] + at.end_col_offset
            text = " ".join(f"{source[a:b].decode()} -> {new}".split())
            yield at.lineno, text, source[:a] + new.encode() + source[b:]


def tests_of(module: Path) -> list[str]:
    """The doctests of a module, the tests of its name or of its folder's, and two of all modules."""
    room = Path("tests/package", module.parent.relative_to(PACKAGE))
    named = [room / f"test_{name}.py" for name in TESTS.get(module.stem, module.stem).split()]
    own = next(x for x in (named, [room.parent / f"test_{room.name}.py"], [room]) if x[0].exists())
    shared = [room / "test_builders.py", room.parent / "test_defaults.py"]
    return ["--doctest-modules", *map(str, [module, *own, *(f for f in shared if f.exists())])]


def run(tests: list[str], seconds: int) -> tuple[str, float]:
    """What the tests say, in a fork of this process, and the CPU seconds that they took."""
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.alarm(6 * seconds)  # for a test that waits without computing
        os.dup2(os.dup2(os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1), 2)
        os._exit(pytest.main(["-xq", *PLUGINS, "--hypothesis-profile=mutants", *tests]))
    _, status, usage = os.wait4(child, 0)
    code, seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
    return "timeout" if code < 0 else "killed" if code else "survived", seconds


def try_out(module: Path, count: int, seed: int):
    """Put in some faults, one at a time, and run the tests: "" for each that is noticed, or it."""
    source, tests, every = module.read_bytes(), tests_of(module), [*mutants(module)]
    drawn = random.Random(f"{seed} {module}").sample(every, min(count or len(every), len(every)))
    verdict, usual = run(tests, 600) if drawn else ("survived", 0)
    print(f"{module}: {len(every)} faults; its tests take {usual:.1f} s of CPU time", flush=True)
    if verdict != "survived":
        sys.exit(Path("output.txt").read_text() + f"\n{module}: {verdict} without a fault")
    for line, text, faulty in sorted(drawn):
        module.write_bytes(faulty)
        verdict, seconds = run(tests, int(20 + 5 * usual))
        module.write_bytes(source)
        print(f"  {verdict:8} {seconds:5.1f} s  {line}: {text}", flush=True)
        yield f"{module}:{line}: {text}" * (verdict == "survived")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", default=TAUGHT, help="such as convnets/vgg")
    parser.add_argument("--sample", type=int, default=4, help="faults of each module; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same faults")
    given = parser.parse_args()
    once = [*map(__import__, ("torchvision", "scipy.stats", "d2l.torch", "sacrebleu", "sklearn"))]
    phases = [Phase.explicit, Phase.generate]  # no failing example is made smaller: one is enough
    settings.register_profile("mutants", deadline=None, derandomize=True, phases=phases)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        leave = shutil.ignore_patterns(".*", "node_modules", "_build", "__pycache__")
        shutil.copytree(ROOT, folder, symlinks=True, ignore=leave, dirs_exist_ok=True)
        os.chdir(folder)
        sys.path[:0], sys.dont_write_bytecode = [f"{folder}/code"], True
        os.environ |= {"PYTHONPATH": f"{folder}/code", "PYTHONDONTWRITEBYTECODE": "1"}
        os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        wanted = tuple(f"{PACKAGE}/{name}" for name in given.modules)
        modules = sorted(file for file in PACKAGE.rglob("*.py") if str(file).startswith(wanted))
        got = {file: [*try_out(file, given.sample, given.seed)] for file in modules}
        for part in (*dict.fromkeys(file.parts[2] for file in got), "labnotes"):
            tried = [each for file in got if part in file.parts[1:3] for each in got[file]]
            print(f"{part}: {tried.count('')} of {len(tried)} killed")
        print(f"{tried.count('') / len(tried):.1%}", *filter(None, tried), sep="\n")
