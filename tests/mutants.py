"""Would the tests notice? Small faults are put into the taught code, one at a time.

Each (a mutant: ``+`` becomes ``-``, 0.3 becomes 0.6, a keyword is left out, a statement goes) is
written into a copy of the tree, and the tests of its module run there until one fails. A mutant
that survives all of them says that a test is missing, or that the change changes nothing.

    python tests/mutants.py --sample 150 --seed 1    # over all taught modules
    python tests/mutants.py convnets/vgg --sample 0  # every fault of one module
"""

import argparse
import ast
import copy
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

ROOT, PACKAGE = Path(__file__).resolve().parents[1], Path("code/labnotes")
PARTS = ("attention", "convnets", "metrics", "normalization", "train")
PAIRS = "Add Sub, Mult Div, BitAnd BitOr, And Or, Lt LtE, Gt GtE, Eq NotEq, Is IsNot, In NotIn"
NAMES = "any all, min max, sum mean, zeros ones, zeros_ ones_, AvgPool2d MaxPool2d, rows columns, "
NAMES += "kaiming_normal_ kaiming_uniform_, xavier_normal_ xavier_uniform_, height width"
OPERATORS = {ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv}
for a, b in map(str.split, PAIRS.split(",")):
    OPERATORS |= {getattr(ast, a): getattr(ast, b), getattr(ast, b): getattr(ast, a)}
SWAPPED = {k: v for a, b in map(str.split, NAMES.split(",")) for k, v in ((a, b), (b, a))}
EITHER_WAY = ("isinstance", "zip", "min", "max", "getattr")  # with swapped arguments nothing new
SKIPPED = ("_check", "__repr__", "extra_repr")  # what refuses bad input, and what prints


def nodes(node: ast.AST):
    """What computes something in a module: no docstring, annotation, decorator or error text."""
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    skipped = str(getattr(node, "name", "")).startswith(SKIPPED)
    if docstring or skipped or isinstance(node, ast.Raise | ast.JoinedStr):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from nodes(child)


def faults(node: ast.AST):
    """What may stand in the place of a node, and how to call it if the text would not show it."""

    def changed(**fields) -> str:
        other = copy.copy(node)
        vars(other).update(fields)
        return f"({ast.unparse(other)})" if isinstance(node, ast.expr) else ast.unparse(other)

    match node:
        case ast.Constant(value=bool(value)):
            yield str(not value), ""
        case ast.Constant(value=int(value)):
            yield str(value + 1), ""
        case ast.Constant(value=float(value)):
            yield str(2 * value or 1.0), ""
        case ast.BinOp(op=ast.FloorDiv()):  # rounded up
            yield f"(-(-({ast.unparse(node.left)}) // ({ast.unparse(node.right)})))", ""
        case ast.BinOp(op=ast.MatMult()):
            yield changed(left=node.right, right=node.left), ""
        case ast.BinOp() | ast.BoolOp() | ast.AugAssign() if type(node.op) in OPERATORS:
            yield changed(op=OPERATORS[type(node.op)]()), ""
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield f"({ast.unparse(node.operand)})", ""
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield changed(ops=[*node.ops[:i], OPERATORS[type(op)](), *node.ops[i + 1 :]]), ""
        case ast.IfExp():
            yield changed(test=ast.UnaryOp(ast.Not(), node.test)), ""
        case ast.If() if not isinstance(node.body[0], ast.Raise):
            test = ast.UnaryOp(ast.Not(), node.test)
            yield changed(test=test), f"if {ast.unparse(test)}"
        case ast.Call():
            for i, keyword in enumerate(node.keywords):
                if keyword.arg is not None:
                    without = changed(keywords=node.keywords[:i] + node.keywords[i + 1 :])
                    yield without, f"{ast.unparse(node.func)} without {ast.unparse(keyword)}"
            first, plain = node.args[:2], ast.Name | ast.Attribute | ast.Constant
            if len({*map(ast.dump, first)}) == 2 and all(isinstance(a, plain) for a in first):
                if getattr(node.func, "id", "") not in EITHER_WAY:
                    yield changed(args=[*first[::-1], *node.args[2:]]), ""
        case ast.Name(id=name) if name in SWAPPED and isinstance(node.ctx, ast.Load):
            yield SWAPPED[name], ""
        case ast.Attribute(attr=name) if name in SWAPPED:
            yield changed(attr=SWAPPED[name]), ""
        case ast.Expr() if not ast.unparse(node).startswith("super()"):
            yield "pass", f"without {ast.unparse(node)}"
        case ast.Assign(targets=[ast.Name(id=name)]):
            if any(getattr(part, "id", "") == name for part in ast.walk(node.value)):
                yield "pass", f"without {ast.unparse(node)}"  # x = f(x)


def mutants(module: Path) -> list[tuple]:
    """Every fault that can be put into a module: where, what it is, and the faulty source."""
    source, found = (ROOT / PACKAGE / module).read_bytes(), []
    starts = [0]  # of the lines, in bytes
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in nodes(ast.parse(source)):
        for new, name in faults(node):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            text = name or f"{source[start:end].decode()} -> {new}"
            faulty = source[:start] + new.encode() + source[end:]
            found.append((module, node.lineno, " ".join(text.split()), faulty))
    return found


def tests_of(module: Path) -> list[str]:
    """The doctests of a module and the tests of its name, of its folder's, or those that use it."""
    folder = Path("tests/package", module.parent)
    named = [folder / f"test_{module.stem}.py", folder.parent / f"test_{folder.name}.py"]
    tree = ast.parse((PACKAGE / module).read_text())
    public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    users = [
        file for file in folder.rglob("test_*.py") if any(n in file.read_text() for n in public)
    ]
    own = next(([file] for file in named if file.exists()), users)
    return [
        "--doctest-modules",
        *map(str, [PACKAGE / module, *own, "tests/package/test_defaults.py"]),
    ]


def run(tests: list[str], seconds: int) -> tuple[str, float]:
    """What the tests say, in a fork of this process, and the CPU seconds that they took."""
    if (child := os.fork()) == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.alarm(20 * seconds)  # for a test that waits without computing
        for stream in (1, 2):
            os.dup2(os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        os._exit(pytest.main(["-xq", "--hypothesis-profile=mutants", *tests]))
    _, status, usage = os.wait4(child, 0)
    verdicts = {0: "survived", 1: "killed", 2: "killed"}  # 2: it cannot even be imported
    verdict = verdicts.get(os.waitstatus_to_exitcode(status), "timeout")
    return verdict, usage.ru_utime + usage.ru_stime


def main(modules: list[Path], sample: int, seed: int) -> None:
    every = [mutant for module in modules for mutant in mutants(module)]
    drawn = random.Random(seed).sample(every, min(sample or len(every), len(every)))
    limits, tests, survivors = {}, {}, []
    for module, line, text, faulty in sorted(drawn):
        if module not in limits:
            tests[module] = tests_of(module)
            verdict, seconds = run(tests[module], 600)
            if verdict != "survived":
                sys.exit(Path("output.txt").read_text() + f"\n{module}: {verdict} without a fault")
            limits[module] = int(20 + 5 * seconds)
            print(f"{module}: its tests take {seconds:.1f} s of CPU time", flush=True)
        source = (PACKAGE / module).read_bytes()
        (PACKAGE / module).write_bytes(faulty)
        verdict, seconds = run(tests[module], limits[module])
        (PACKAGE / module).write_bytes(source)
        print(f"  {verdict:8} {seconds:5.1f} s  {module}:{line}: {text}", flush=True)
        survivors += [f"{PACKAGE / module}:{line}: {text}"] if verdict == "survived" else []
    killed = 1 - len(survivors) / len(drawn)
    print(f"{killed:.1%} of {len(drawn)} (of {len(every)}) killed. Alive:", *survivors, sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "modules", nargs="*", help="such as convnets/vgg (default: all taught ones)"
    )
    parser.add_argument("--sample", type=int, default=150, help="how many faults; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same faults")
    given = parser.parse_args()
    files = [file for part in PARTS for file in (ROOT / PACKAGE / part).rglob("*.py")]
    taught = sorted(file.relative_to(ROOT / PACKAGE) for file in files)
    sys.dont_write_bytecode = True
    import d2l.torch  # noqa: F401
    import pytest
    import scipy.stats  # noqa: F401
    import torchvision  # noqa: F401  and torch: what takes seconds to load is loaded once, here
    from hypothesis import Phase, settings

    # The same examples for every mutant, and none made smaller: one that fails is enough.
    phases = [Phase.explicit, Phase.generate]
    settings.register_profile("mutants", deadline=None, derandomize=True, phases=phases)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        leave = shutil.ignore_patterns(".*", "node_modules", "_build", "__pycache__")
        shutil.copytree(ROOT, folder, symlinks=True, ignore=leave, dirs_exist_ok=True)
        os.chdir(folder)
        sys.path.insert(0, f"{folder}/code")
        os.environ |= {"PYTHONPATH": f"{folder}/code", "PYTHONDONTWRITEBYTECODE": "1"}
        main([Path(f"{name}.py") for name in given.modules] or taught, given.sample, given.seed)
