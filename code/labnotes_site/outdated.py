"""Which pages to write again although their own text did not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from .keys import page_keys
from .record.stored import shown
from .source.glossary import FOLDER
from .source.notes import LIST

GLOSSARY = "chapters/reference/glossary"
#: These pages tell of all chapters: any change may change them.
GENERATED = ["index"] + [
    f"chapters/reference/{n}"
    for n in ("notes-map", "corrections", "run-times", "data-and-licences", "for-teachers")
]


def keys(root: Path) -> dict[str, str]:
    """What each page of the book at `root` shows besides its own text, as a key."""
    record = root / "_build" / "executions.json"
    runs = json.loads(record.read_text()) if record.exists() else {}
    notes = _digest([root / LIST])
    records = shown(root)
    terms = _digest(sorted((root / FOLDER).rglob("*.yml")))
    found = {
        docname: f"{key} {runs.get(docname, {}).get('seconds')} {notes} {terms} {records.get(docname)}"
        for docname, key in page_keys(root).items()
    }
    found |= dict.fromkeys(GENERATED, notes)
    found[GLOSSARY] = terms
    return found


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set
) -> list[str]:
    """Sphinx asks which pages are out of date: compare the keys with those of the last build."""
    before = getattr(env, "labnotes_page_keys", {})
    now = keys(Path(env.srcdir))
    env.labnotes_page_keys = now
    stale = {docname for docname, key in now.items() if before.get(docname) != key}
    if stale or added or changed or removed:
        stale |= set(GENERATED)
    return sorted(stale & env.found_docs)
