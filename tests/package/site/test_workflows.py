"""What GitHub runs on a push is what the Makefile has, in an order in which all of it is published."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def steps(job: str) -> list[dict]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text("utf8"))
    return workflow["jobs"][job]["steps"]


def test_each_make_of_the_workflow_is_a_target_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf8"), re.M))
    made = [t for step in steps("test") for t in re.findall(r"make ([\w-]+)", step.get("run", ""))]
    assert made == ["test", "pdf", "offline"] and set(made) <= targets


def test_what_is_published_has_the_pdf_and_the_zip():
    order = [step.get("run", "") + step.get("uses", "") for step in steps("test")]
    upload = next(n for n, text in enumerate(order) if "upload-artifact" in text)
    assert [n for n, text in enumerate(order) if "make " in text][-1] < upload
    uploaded = steps("test")[upload]["with"]
    wanted = next(s["with"]["name"] for s in steps("publish") if "download" in s.get("uses", ""))
    python = re.fullmatch(r"site-([\d.]+)", wanted)[1]
    assert uploaded["path"] == "_build/html"
    for step in steps("test"):
        if re.search(r"make (pdf|offline)", step.get("run", "")):
            assert step["if"] == f"matrix.python == '{python}'"
