"""After an edit exactly the chapters that depend on it run again."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from functools import cache

import pytest
from built_book import ROOT, book

from labnotes_site.keys import chapters, execution_key, module_closure, page_key


@pytest.fixture
def copy(tmp_path):
    """The book's sources in a scratch folder, free to edit."""
    for name in ("_toc.yml", "_config.yml", "index.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    shutil.copytree(
        ROOT / "code", tmp_path / "code", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    return tmp_path


def keys(root, key=execution_key) -> dict[str, str]:
    return {c.docname: key(c, root / "code") for c in chapters(root)}


@cache
def unedited(key=execution_key) -> dict[str, str]:
    """The keys of the book as it is, and so of each copy before it is edited."""
    return keys(ROOT, key)


def changed(before, after) -> set[str]:
    return {name for name in before if before[name] != after[name]}


#: Other packages are loaded once; then a copy of the process for each chapter runs its imports.
ASK = """
import json, os, sys
import matplotlib.pyplot, torch, torchvision
for docname, imports in json.load(sys.stdin).items():
    if os.fork() == 0:
        exec(imports)
        print(json.dumps({docname: [m for m in sys.modules if m.split(".")[0] == "labnotes"]}))
        sys.stdout.flush()
        os._exit(0)
    if os.wait()[1]:
        sys.exit(f"the imports of {docname} fail")
"""


@cache
def loaded() -> dict[str, set[str]]:
    """Modules of the package in memory after a chapter's imports ran, asked of Python itself."""
    asked = {}
    for chapter in book():
        nodes = [node for source in chapter.code for node in ast.parse(source).body]
        imports = [ast.unparse(n) for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))]
        asked[chapter.docname] = "\n".join(
            line for line in imports if line.startswith(("from labnotes", "import labnotes"))
        )
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {docname: set(modules) for line in lines for docname, modules in line.items()}


def loaded_by(docname: str) -> set[str]:
    return loaded()[docname]


def append(path, line="\n# edited\n"):
    path.write_text(path.read_text("utf8") + line, "utf8")


def test_editing_bleu_reruns_exactly_the_chapters_that_import_it(copy):
    before = unedited()
    append(copy / "code" / "labnotes" / "metrics" / "bleu.py")
    importers = {c.docname for c in book() if "labnotes.metrics.bleu" in loaded_by(c.docname)}
    assert "chapters/sequences/bleu" in importers
    assert changed(before, keys(copy)) == importers


def test_a_module_imported_through_another_counts(copy):
    """Nothing in a chapter names ``labnotes.train.checkpoint``; ``fit`` brings it."""
    before = unedited()
    append(copy / "code" / "labnotes" / "train" / "checkpoint.py")
    importers = {c.docname for c in book() if "labnotes.train.checkpoint" in loaded_by(c.docname)}
    assert importers and changed(before, keys(copy)) == importers


def test_the_closure_holds_every_module_that_python_loads(chapter):
    closure = set(module_closure(chapter.code, ROOT / "code"))
    assert loaded_by(chapter.docname) <= closure


#: Of real chapters, the modules of networks that they use: their own words say so.
NETWORKS = {
    "chapters/convnets/lenet": {"lenet"},
    "chapters/convnets/alexnet": {"alexnet", "two_towers", "lenet", "cost"},
    "chapters/convnets/vgg": {"vgg"},
    "chapters/convnets/nin": {"nin", "receptive_field.arithmetic", "receptive_field.reading"},
    "chapters/convnets/googlenet": {"googlenet", "auxiliary", "cost"},
    "chapters/convnets/resnet": {"resnet", "cost"},
    "chapters/convnets/densenet": {"densenet", "resnet", "cost"},
    "chapters/convnets/pooling": {"pooling", "lenet", "resnet", "vgg", "cost"},
    "chapters/convnets/batchnorm": set(),
    "chapters/sequences/text": set(),
    "chapters/sequences/encoder-decoder": set(),
    "chapters/sequences/deep-bidirectional": set(),
    "chapters/sequences/bleu": set(),
    "chapters/attention/scoring": set(),
    "chapters/attention/bahdanau": set(),
    "chapters/attention/transformer": {"cost"},
    "chapters/attention/translation": set(),
}


@pytest.mark.parametrize("docname", NETWORKS)
def test_a_chapters_key_holds_the_networks_it_uses_and_no_others(docname):
    code = next(c.code for c in book() if c.docname == docname)
    found = {
        name.removeprefix("labnotes.convnets.")
        for name, file in module_closure(code, ROOT / "code").items()
        if name.startswith("labnotes.convnets.") and file.name != "__init__.py"
    }
    assert found == NETWORKS[docname]


def test_editing_network_in_network_reruns_only_the_chapters_that_build_one(copy):
    before = unedited()
    append(copy / "code" / "labnotes" / "convnets" / "nin.py")
    assert changed(before, keys(copy)) == {
        "chapters/convnets/nin",
        "chapters/convnets/compare",
        "chapters/convnets/learned-features",  # its catalogue has every network
    }


@pytest.mark.parametrize(
    "code, modules",
    [
        ("from labnotes.metrics import bleu", {"bleu"}),
        ("from labnotes.metrics import bleu as score\nscore(a, b).score", {"bleu"}),
        ("from labnotes import metrics\nmetrics.accuracy(x, y)", {"classification"}),
        ("import labnotes.metrics as m\nm.mcnemar(x, y)", {"paired"}),
        ("from labnotes.metrics.bleu import ngrams", {"bleu"}),
        # Who holds the package itself may ask it for anything.
        ("from labnotes import metrics\nf = getattr(metrics, name)", None),
        ("import labnotes.metrics\nlabnotes.metrics.bleu(a, b)", None),
        ("from labnotes.metrics import *", None),
    ],
)
def test_a_name_of_a_lazy_package_leads_to_its_module(code, modules):
    found = {
        name.removeprefix("labnotes.metrics.")
        for name in module_closure([code], ROOT / "code")
        if name.startswith("labnotes.metrics.")
    }
    everything = {f.stem for f in (ROOT / "code/labnotes/metrics").glob("[a-z]*.py")}
    assert found == (modules or everything)


def test_editing_one_chapters_code_reruns_that_chapter_alone(copy):
    before = unedited()
    target = copy / "chapters" / "convnets" / "resnet.md"
    append(target, "\n```{code-cell} ipython3\nprint(1)\n```\n")
    assert changed(before, keys(copy)) == {"chapters/convnets/resnet"}


def test_a_change_of_words_reruns_nothing(copy):
    before = unedited()
    for file in (copy / "chapters").rglob("*.md"):
        append(file, "\nOne more sentence.\n")
    assert keys(copy) == before


def test_a_checker_is_found_by_the_exercises_name(copy):
    before = unedited()
    append(copy / "code" / "labnotes" / "exercises" / "sequences" / "bleu.py")
    assert changed(before, keys(copy)) == {"chapters/sequences/bleu"}


def test_the_data_catalogue_counts(copy):
    before = unedited()
    append(copy / "code" / "labnotes" / "data" / "datasets.toml")
    readers = {
        c.docname for c in book() if "labnotes.data" in module_closure(c.code, ROOT / "code")
    }
    assert readers and changed(before, keys(copy)) == readers


def test_an_explorers_script_changes_its_page_but_reruns_nothing(copy):
    results, pages = unedited(), unedited(page_key)
    append(copy / "code" / "labnotes" / "explore" / "bleu" / "bleu.js", "\n// edited\n")
    assert keys(copy) == results
    assert changed(pages, keys(copy, page_key)) == {"chapters/sequences/bleu"}


def test_a_chapter_that_the_table_of_contents_forgets_is_an_error(copy):
    shutil.copy(
        copy / "chapters" / "sequences" / "bleu.md", copy / "chapters" / "sequences" / "lost.md"
    )
    with pytest.raises(ValueError, match="chapters/sequences/lost"):
        chapters(copy)
