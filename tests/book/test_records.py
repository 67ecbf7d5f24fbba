"""Records: made at their own size, shown as what they are, never edited, never half there."""

from __future__ import annotations

import doctest
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from built_book import HTML, ROOT, book
from safetensors.torch import load_file

from labnotes_site.keys import chapters, execution_key
from labnotes_site.record import Refused, bare, page, stored, tagged
from labnotes_site.record.__main__ import alone, main

pytestmark = pytest.mark.xdist_group("records")  # one process records and builds the scratch book

NAME = "part/scratch"
FRONT = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A scratch chapter

Some words.

"""
CONFIG = """title: Scratch
only_build_toc_files: true
exclude_patterns: [_build, code, data, node_modules]
execute: {execute_notebooks: cache, cache: _build/.jupyter_cache}
html: {use_repository_button: false}
sphinx: {extra_extensions: [labnotes_site], config: {nb_render_markdown_format: myst}}
"""
SETTING = """import matplotlib.pyplot as plt
import torch
from torch import nn
from labnotes import plot, runtime
from labnotes.show import table
from labnotes.train import fit, record_weights

plot.use()
runtime.seed_everything(3)
epochs = runtime.by_device(cpu=2, gpu=90, record=5)
x = torch.randn(64, 3)
batches = [(x, x.sum(1, keepdim=True))]
net = nn.Linear(3, 1)
"""
TRAIN = """history = fit(net, batches, epochs=epochs, loss=nn.functional.mse_loss,
              optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1), progress=False)
record_weights("part/scratch/sum", net)
"""
SKIPPED = "assert not runtime.recording()\n"
PRINTED = """print(len(history.epochs), "epochs")
table([{"epoch": e["epoch"], "loss": f"{e['train_loss']:.6f}"} for e in history.epochs])
"""
DRAWN = """plt.plot([row["train_loss"] for row in history.epochs])
plt.show()
"""
AFTER = "assert not runtime.recording()\n"


def cell(code: str, options: str = "") -> str:
    return f"```{{code-cell}} ipython3\n{options}{code}```\n\nWords.\n\n"


FIGURE = """---
tags: [record, hide-input]
mystnb:
  figure: {caption: Losses., name: fig-losses}
  image: {alt: A line that falls from left to right.}
---
"""
CHAPTER = FRONT + (
    cell(SETTING)
    + cell(TRAIN)
    + cell(SKIPPED, ":tags: [skip-record]\n")
    + cell(PRINTED, ":tags: [record]\n")
    + cell(DRAWN, FIGURE)
    + cell(AFTER)
)


def scratch(root: Path, chapter: str = CHAPTER) -> Path:
    """A book of one chapter, with the package beside it."""
    ignore = shutil.ignore_patterns("*.egg-info", "__pycache__", "records")
    shutil.copytree(ROOT / "code", root / "code", ignore=ignore)
    (root / "node_modules").symlink_to(ROOT / "node_modules")
    (root / "data").mkdir()
    shutil.copy(ROOT / "data" / "notes.yml", root / "data")
    (root / "_toc.yml").write_text(
        f"format: jb-book\nroot: index\nchapters:\n- file: chapters/{NAME}\n"
    )
    (root / "_config.yml").write_text(CONFIG)
    (root / "references.bib").write_text("")
    (root / "index.md").write_text("# Scratch\n\nWords.\n")
    file(root).parent.mkdir(parents=True)
    file(root).write_text(chapter)
    return root


def file(root: Path) -> Path:
    return root / "chapters" / f"{NAME}.md"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf8")
    assert old in text
    path.write_text(text.replace(old, new), "utf8")


def environment(root: Path, **more: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("LABNOTES_RECORD", "LABNOTES_RUNS")}
    return env | {
        "PYTHONPATH": str(root / "code"),
        "LABNOTES_DEVICE": "cpu",
        "LABNOTES_OFFLINE": "1",
        "LABNOTES_DATA": "",
        "LABNOTES_CACHE": str(root / "cache"),
        **more,
    }


def build(root: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "labnotes_site.build"],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        timeout=900,
    )


def start(root: Path) -> subprocess.Popen:
    """Record in processes of its own, which can be killed together."""
    return subprocess.Popen(
        [sys.executable, "-m", "labnotes_site.record"],
        cwd=root,
        env=environment(root, STEPS=str(root / "steps.txt"), GATE=str(root / "gate")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def record(monkeypatch, capfd):
    """Call it with a book and options: the exit status and everything that was printed."""

    def run(root: Path, *options: str) -> tuple[int, str]:
        for name, value in environment(root).items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        try:
            status = main(["--root", str(root), *options])
        except SystemExit as stop:
            status = stop.code
        return status, "".join(capfd.readouterr())

    return run


def only_chapter(root: Path):
    return chapters(root)[0]


def contents(*folders: Path) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for folder in folders for f in folder.rglob("*") if f.is_file()}


def kept(root: Path) -> dict[str, bytes]:
    return contents(root / stored.OUTPUTS, root / stored.WEIGHTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A scratch book, recorded and built; tests only read it."""
    root = scratch(tmp_path_factory.mktemp("made"))
    started = start(root)
    assert not started.wait(900), started.stderr.read()
    done = build(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def again(made, tmp_path) -> Path:
    """A copy of it to change."""
    shutil.copytree(made, tmp_path / "book", symlinks=True)
    return tmp_path / "book"


@pytest.fixture(scope="module")
def by_torch() -> tuple[list[float], torch.nn.Linear]:
    """The losses and the network of the chapter's training, by a loop of torch alone."""
    torch.manual_seed(3)
    x = torch.randn(64, 3)
    y = x.sum(1, keepdim=True)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        loss = ((net(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, net


# ---- made ----


def test_a_record_holds_what_the_run_of_its_own_size_gives(made, by_torch):
    found = stored.load(made, NAME)
    printed, drawn = found.cells
    count, rows = (found.text(output) for output in printed["outputs"])
    assert count == "5 epochs\n"  # neither the page's 2 nor the card's 90
    losses = [float(row) for row in re.findall(r"\| (\d\.\d{6}) \|", rows)]
    assert losses == pytest.approx(by_torch[0], abs=2e-6)
    assert [output["type"] for output in drawn["outputs"]] == ["image/svg+xml"]
    assert "<svg" in found.text(drawn["outputs"][0])


def test_its_weights_are_those_of_the_trained_network(made, by_torch):
    saved = load_file(made / stored.WEIGHTS / NAME / "sum.safetensors")
    for key, value in by_torch[1].state_dict().items():
        assert torch.allclose(saved[key].float(), value, atol=1e-3)


def test_it_tells_how_it_was_made_and_nothing_of_whose_machine_it_was(made):
    how = stored.load(made, NAME).made
    assert how["device"] == "cpu" and how["threads"] == 1 and how["runs"] == 1
    assert how["seeds"] == [3]
    assert how["versions"]["torch"] == torch.__version__
    assert 0 < how["cpu_seconds"] and 1e8 < how["peak_memory"] < 1e11
    text = (made / stored.OUTPUTS / NAME / "record.json").read_text("utf8")
    assert os.uname().nodename not in text and str(made) not in text


def test_nothing_of_the_work_is_left(made):
    assert not (made / "_build" / "records" / NAME).exists()
    assert not list(made.rglob("*.new")) + list(made.rglob("*.old"))


def test_a_fresh_record_is_not_made_again(made, record):
    before = kept(made)
    assert record(made) == (0, "0 to record\n")
    assert record(made, "--list")[1].split() == ["fresh", NAME]
    assert kept(made) == before


# ---- shown ----


def frames(root: Path) -> tuple[BeautifulSoup, list]:
    html = (root / "_build" / "html" / "chapters" / f"{NAME}.html").read_text("utf8")
    soup = BeautifulSoup(html, "lxml")
    return soup, soup.select(".ln-record")


def test_the_page_shows_the_record_in_a_frame_of_its_own_under_the_live_output(made):
    soup, (printed, drawn) = frames(made)
    live = soup.select("div.cell.tag_record")
    assert "2 epochs" in live[0].text and "5 epochs" not in live[0].text
    assert "5 epochs" in printed.text and "2 epochs" not in printed.text
    assert printed.find_previous_sibling("div") == live[0]
    assert drawn.find_previous_sibling("div") == live[1]
    assert len(printed.select("table tbody tr")) == 5


def test_the_page_that_sphinx_keeps_holds_no_other_document(made):
    kept = (made / "_build" / ".doctrees" / "chapters" / f"{NAME}.doctree").read_bytes()
    tree = pickle.loads(kept)
    assert {id(node.document) for node in tree.findall()} == {id(tree)}
    assert len(kept) < 50_000


def test_the_frame_names_machine_time_and_date(made):
    _, (printed, _) = frames(made)
    how = stored.load(made, NAME).made
    label = printed.select_one(".ln-record-label").text
    assert label.startswith("Recorded: ") and how["machine"] in label and "one thread" in label
    assert page.day(how["date"]) in label and page.duration(how["cpu_seconds"]) in label
    assert "earlier code" not in label
    assert how["versions"]["torch"] in printed.select_one("details").text


def test_a_recorded_picture_has_the_cells_alternative_text(made):
    _, (_, drawn) = frames(made)
    image = drawn.select_one("img")
    assert image["alt"] == "From the recorded run. A line that falls from left to right."
    shown = made / "_build" / "html" / "chapters" / "part" / image["src"]
    recorded = stored.load(made, NAME).text(stored.load(made, NAME).cells[1]["outputs"][0])
    lines = [re.findall(r' d="([^"]+)"', svg) for svg in (shown.read_text("utf8"), recorded)]
    assert lines[0] == lines[1] != []  # the site gives them inks that stand out in both themes


def test_the_notebook_has_the_record_in_plain_markdown(made):
    notebook = nbformat.read(
        made / "_build" / "html" / "notebooks" / "chapters" / f"{NAME}.ipynb", nbformat.NO_CONVERT
    )
    texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    printed, drawn = (t for t in texts if t.startswith("**Recorded:** "))
    assert "5 epochs" in printed and "| 5 |" in printed
    assert re.search(r'<img alt="[^"]+" src="data:image/svg\+xml;base64,[\w+/=]+">', drawn)
    numbers = [i for i, c in enumerate(notebook.cells) if c.source == printed]
    assert "2 epochs" in str(notebook.cells[numbers[0] - 1].outputs)


# ---- stale ----


def state(root: Path) -> str:
    found = stored.load(root, NAME)
    return "stale" if stored.is_stale(found, only_chapter(root), root / "code") else "fresh"


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("lr=0.1", "lr=0.2", "stale"),
        ("record=5", "record=6", "stale"),
        ("cpu=2", "cpu=3", "fresh"),  # sizes that the record does not use
        ("gpu=90", "gpu=80", "fresh"),
        ("Some words.", "Other words.", "fresh"),
        ("net = nn.Linear(3, 1)\n", "net = nn.Linear(3, 1)  # three in, one out\n\n", "fresh"),
        (
            "Words.\n\n```{code-cell} ipython3\nassert",
            "Words.\n\n```{code-cell} ipython3\n0\nassert",
            "fresh",
        ),
    ],
)
def test_a_record_is_stale_when_the_code_that_made_it_changes(again, old, new, expected):
    edit(file(again), old, new)
    assert state(again) == expected


def test_a_module_makes_it_stale_by_what_it_does_not_by_what_it_says(again):
    module = again / "code" / "labnotes" / "train" / "schedules.py"
    module.write_text("# A remark.\n" + module.read_text("utf8").replace('"""', '"""Now, ', 1))
    edit(module.with_name("__init__.py"), '"schedules": [', '"schedules": ["warm", ')
    module.write_text(module.read_text("utf8") + "\nTAU = 6.28\n")  # which nobody uses
    assert state(again) == "fresh"
    edit(module, "return len(batches)", "return 1 * len(batches)")  # which fit's schedule uses
    assert state(again) == "stale"


def test_a_stale_record_is_shown_as_such_listed_by_the_build_and_not_made_anew(again, record):
    """The chapter's own text is the same: a module that it imports has changed."""
    module = again / "code" / "labnotes" / "train" / "schedules.py"
    edit(module, "return len(batches)", "return 1 * len(batches)")
    before = kept(again)
    assert record(again, "--list")[1].split() == ["stale", NAME]
    done = build(again)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"The record of {NAME} was made with earlier code" in done.stdout
    _, shown = frames(again)
    assert all("Made with earlier code." in frame.text for frame in shown) and len(shown) == 2
    notebook = again / "_build" / "html" / "notebooks" / "chapters" / f"{NAME}.ipynb"
    assert "Made with earlier code." in notebook.read_text("utf8")
    assert kept(again) == before


def test_an_output_stays_with_its_cell_when_others_come_and_go(made):
    found = stored.load(made, NAME)
    chapter = only_chapter(made)
    printed, drawn = (c["outputs"] for c in found.cells)

    def of(*sources: str) -> list:
        cells = [
            nbformat.v4.new_code_cell(s, metadata={"tags": ["record"]})
            for s in map(str.strip, sources)
        ]
        notebook = nbformat.v4.new_notebook(cells=cells)
        return stored.outputs_of(found, type(chapter)(chapter.docname, chapter.path, notebook))

    assert of(PRINTED, DRAWN) == [printed, drawn]
    assert of(DRAWN, PRINTED) == [drawn, printed]
    assert of(PRINTED, DRAWN + "# mended") == [printed, drawn]
    assert of("new", PRINTED, DRAWN) == [[], printed, drawn]
    assert of(DRAWN) == [drawn]


# ---- killed and resumed ----

SLOW = (
    FRONT
    + cell(SETTING.replace("record=5", "record=12"))
    + (
        cell("""import os
import time


def slow(outputs, targets):
    with open(os.environ["STEPS"], "a") as log:
        log.write("step\\n")
    steps = len(open(os.environ["STEPS"]).readlines())
    while steps == 8 and not os.path.exists(os.environ["GATE"]):
        time.sleep(0.05)
    return nn.functional.mse_loss(outputs, targets)


def noisy():
    noise = nn.Dropout(0.1)
    return nn.Sequential(nn.Linear(3, 8), noise, nn.Linear(8, 1))


def sgd(weights):
    return torch.optim.SGD(weights, lr=0.1)
""")
        + cell("""found = [fit(noisy(), batches, epochs=e, loss=slow, optimizer=sgd, progress=False)
         for e in (3, epochs)]
drawn = torch.rand(1).item()
""")
        + cell("print([h.steps for h in found], drawn)\n", ":tags: [record]\n")
    )
)


def test_a_killed_run_goes_on_and_gives_the_same_record_bit_for_bit(tmp_path, record):
    straight, killed = (scratch(tmp_path / name, SLOW) for name in ("straight", "killed"))
    (straight / "gate").touch()
    whole = start(straight)
    broken = start(killed)
    # It waits in step 8 of 15, the fifth of its second training, until the gate is open.
    log = killed / "steps.txt"
    while not (log.exists() and len(log.read_text().split()) == 8) and broken.poll() is None:
        time.sleep(0.05)
    broken.kill()  # its starter alone: the run goes on, and nobody may begin a second one
    broken.wait()
    status, said = record(killed)
    os.killpg(broken.pid, signal.SIGKILL)
    broken.communicate()
    assert status == 1 and f"{NAME} is being recorded by another process" in said
    assert not (killed / stored.OUTPUTS).exists()
    (killed / "gate").touch()
    resumed = start(killed)
    errors = resumed.communicate(timeout=300)[1]
    assert resumed.returncode == 0, errors
    assert "going on after" in errors
    assert whole.communicate(timeout=300) and whole.returncode == 0
    one, other = (stored.load(root, NAME) for root in (straight, killed))
    assert one.cells == other.cells  # checksums of all outputs
    assert other.made["runs"] == 2 and one.made["runs"] == 1
    assert len(log.read_text().split()) == 15 + 1  # only the step it was killed in came twice


def test_what_other_code_has_left_is_thrown_away_before_a_run(again, record):
    edit(file(again), "record=5", "record=6")
    work = again / "_build" / "records" / NAME
    (work / "runs").mkdir(parents=True)
    (work / "runs" / "fit-1.pt").write_text("of other code")  # fit would refuse it as damaged
    (work / "job.json").write_text(
        json.dumps(tagged.job(only_chapter(again), again) | {"key": "0"})
    )
    status, said = record(again)
    assert status == 0 and "going on" not in said, said
    assert "6 epochs" in stored.load(again, NAME).text(
        stored.load(again, NAME).cells[0]["outputs"][0]
    )


def test_two_processes_do_not_record_one_chapter_together(again, record):
    edit(file(again), "record=5", "record=6")
    work = again / "_build" / "records" / NAME
    work.mkdir(parents=True)
    with alone(work, NAME):
        status, said = record(again)
    assert status == 1 and f"{NAME} is being recorded by another process" in said


# ---- refused ----


@pytest.mark.parametrize(
    "old, new, words",
    [
        (
            "net = nn.Linear(3, 1)",
            'net = nn.Linear(3, 1)\nrecord_weights("part/scratch/wide", nn.Linear(1000, 1001))',
            r"part/scratch/wide\.safetensors have 2,0\d\d,\d\d\d bytes",
        ),
        ("net = nn.Linear(3, 1)", "1 / 0", "ZeroDivisionError"),
        (
            "net = nn.Linear(3, 1)",
            "from labnotes.data import cifar10\ncifar10(fallback=True)",
            "never with a stand-in",
        ),
    ],
    ids=["weights too large", "an error", "stand-in data"],
)
def test_a_run_that_may_not_be_kept_leaves_the_earlier_record(again, record, old, new, words):
    before = kept(again)
    edit(file(again), old, new)
    status, said = record(again)
    assert status == 1 and re.search(words, said), said
    assert kept(again) == before


def result_of(root: Path, outputs: list[list[dict]], **weights: int) -> tuple[dict, Path]:
    """What a run leaves that shows `outputs` and saves files of so many bytes."""
    job = tagged.job(only_chapter(root), root)
    for name, size in weights.items():
        path = root / "weights" / f"{name.replace('__', '/')}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    made = stored.load(root, NAME).made
    return {"job": job, "made": made, "outputs": outputs}, root / "weights"


def text(size: int = 1) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": "x" * size}


WIDGET = {"output_type": "display_data", "data": {"application/json": "{}"}}


@pytest.mark.parametrize(
    "outputs, weights, words",
    [
        ([[text()], [text(500_001)]], {}, r"scratch-2-1\.txt .*500,001 bytes.*500,000"),
        ([[text()], [WIDGET]], {}, "recorded cell 2 .*application/json"),
        (
            [[text()], [text()]],
            {"part__scratch__net": 2_000_001},
            r"net\.safetensors have 2,000,001",
        ),
        ([[text()], [text()]], {"part__other__net": 10}, "part/other/net: name them part/scratch/"),
    ],
    ids=["output too large", "no form for a page", "weights too large", "weights of another"],
)
def test_what_is_too_large_or_out_of_place_is_refused_and_nothing_changes(
    again, outputs, weights, words
):
    before = kept(again)
    with pytest.raises(Refused, match=words):
        stored.store(again, *result_of(again, outputs, **weights))
    assert kept(again) == before


def test_the_weights_of_the_book_have_a_limit_together(again, monkeypatch):
    other = again / stored.WEIGHTS / "part" / "other" / "net.safetensors"
    other.parent.mkdir()
    other.write_bytes(bytes(1000))
    result = result_of(again, [[text()], [text()]], part__scratch__sum=500)
    before = kept(again)
    monkeypatch.setattr(stored, "MOST_WEIGHTS_IN_ALL", 1499)
    with pytest.raises(Refused, match=r"sum\.safetensors .*1,500 bytes.*1,499"):
        stored.store(again, *result)
    assert kept(again) == before
    monkeypatch.setattr(stored, "MOST_WEIGHTS_IN_ALL", 1500)  # its own earlier ones make room
    stored.store(again, *result)
    assert (again / stored.WEIGHTS / NAME / "sum.safetensors").read_bytes() == bytes(500)


def test_a_chapter_without_a_tagged_cell_has_nothing_to_record(tmp_path, record):
    root = scratch(tmp_path / "book", FRONT + cell("print(1)\n"))
    status, said = record(root, NAME)
    assert status == 1 and "no cell tagged record" in said
    assert record(root, "--list") == (0, "\n")


def test_a_chapter_that_is_not_there_is_named(made, record):
    status, said = record(made, "part/nothing")
    assert status == 2 and "no chapter part/nothing" in said


# ---- never edited ----


def a_digit_more(path: Path) -> None:
    path.write_text(path.read_text("utf8").replace("5 epochs", "6 epochs"))


def less_time(path: Path) -> None:
    content = json.loads(path.read_text("utf8"))
    content["made"]["cpu_seconds"] = 0.1
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "place, change",
    [
        (f"data/records/{NAME}/scratch-1-1.txt", a_digit_more),
        (f"data/records/{NAME}/scratch-1-2.md", Path.unlink),
        (f"data/records/{NAME}/scratch-9-9.txt", Path.touch),
        (f"data/records/{NAME}/record.json", less_time),
        (f"code/labnotes/records/{NAME}/sum.safetensors", Path.unlink),
        (f"code/labnotes/records/{NAME}/sum.safetensors", lambda p: p.write_bytes(b"0")),
    ],
)
def test_an_edited_record_is_refused_by_name(again, place, change):
    change(again / place)
    with pytest.raises(Refused, match=re.escape(place)):
        stored.load(again, NAME)


def test_a_book_with_an_edited_record_does_not_build(again):
    a_digit_more(again / stored.OUTPUTS / NAME / "scratch-1-1.txt")
    edit(file(again), "Some words.", "Other words.")
    done = build(again)
    assert done.returncode != 0 and "not as its run left it" in done.stdout + done.stderr


# ---- weights and what loads them ----


def test_new_weights_run_the_chapters_again_that_load_them(again):
    edit(file(again), "net = nn.Linear(3, 1)\n", 'recorded("part/scratch/sum", nn.Linear(3, 1))\n')
    before = execution_key(only_chapter(again), again / "code")
    (again / stored.WEIGHTS / NAME / "sum.safetensors").write_bytes(b"other")
    assert execution_key(only_chapter(again), again / "code") != before


# ---- on a bare machine ----

WITH_PEER = CHAPTER.replace(
    "```{code-cell} ipython3\nhistory",
    """```{code-cell} ipython3
from sklearn.linear_model import LinearRegression
```

Words.

```{code-cell} ipython3
LinearRegression().fit(x, batches[0][1])
```

Words.

```{code-cell} ipython3
history""",
)
#: Makes Python blind to scikit-learn, as on a machine that has not got it.
BLIND = """import importlib.machinery as machinery
find = machinery.PathFinder.find_spec
machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.split(".")[0] == "sklearn" else find(name, *rest))
"""


def there(root: Path, budget: int) -> str:
    """Run the script that a bare machine runs."""
    done = subprocess.run(
        ["bash", "benchmarks/gpu_records.sh"],
        cwd=root,
        env=environment(root, PYTHON=sys.executable, BUDGET=str(budget), OUT=str(root / "out")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    return done.stdout


def test_a_bare_machine_makes_records_that_are_taken_home(tmp_path):
    root = scratch(tmp_path / "book", WITH_PEER)
    (root / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "gpu_records.sh", root / "benchmarks")
    assert bare.main(["--root", str(root), "pack", "--data"]) == 0
    (root / "_build" / "gpu" / "site").mkdir()
    (root / "_build" / "gpu" / "site" / "sitecustomize.py").write_text(BLIND)
    assert "no time left" in there(root, budget=1)
    said = there(root, budget=600)
    assert "1 records finished, 0 not" in said, said
    assert bare.main(["--root", str(root), "take", str(root / "out")]) == 0
    found = stored.load(root, NAME)
    assert found.text(found.cells[0]["outputs"][0]) == "5 epochs\n"
    assert found.content["weights"].keys() == {"sum.safetensors"}
    left_out = [fact for fact in page.facts(found) if fact.startswith("Left out")]
    assert len(left_out) == 1 and "sklearn.linear_model.LinearRegression is not on" in left_out[0]


def test_what_is_too_much_to_bring_is_refused_by_name(made, monkeypatch, capsys):
    monkeypatch.setattr(bare, "MOST", 100)
    assert bare.main(["--root", str(made), "pack", "--data", "digits"]) == 1
    said = capsys.readouterr().err
    assert "100 may" in said and "The largest files: _build/gpu/data/" in said


# ---- the book itself ----


def test_the_examples_in_the_records_code_are_true():
    for module in (tagged, page):
        result = doctest.testmod(module)
        assert result.attempted and not result.failed


@pytest.mark.parametrize("name", stored.stored(ROOT))
def test_a_record_of_the_book_is_as_its_run_left_it_and_stands_on_its_page(name):
    found = stored.load(ROOT, name)
    chapter = next(c for c in book() if tagged.name_of(c) == name)
    shown = [o for o in stored.outputs_of(found, chapter) if o]
    assert shown, "no cell of the chapter shows it: make it again, or remove it"
    soup = BeautifulSoup((HTML / f"{chapter.docname}.html").read_text("utf8"), "lxml")
    assert len(soup.select(".ln-record")) == len(shown)
    assert all(len(img["alt"]) > 30 for img in soup.select(".ln-record img"))


def test_recorded_weights_all_belong_to_a_record_and_keep_within_their_limit():
    files = list((ROOT / stored.WEIGHTS).rglob("*.safetensors"))
    assert sum(f.stat().st_size for f in files) <= stored.MOST_WEIGHTS_IN_ALL
    owners = {f.parent.relative_to(ROOT / stored.WEIGHTS).as_posix() for f in files}
    assert owners <= set(stored.stored(ROOT))
