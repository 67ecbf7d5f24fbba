"""Where the data of a run came from, as a box that a page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

from labnotes.data.catalog import Dataset

SOURCES = {
    "LABNOTES_DATA": "read from a folder of LABNOTES_DATA",
    "cache": "read from the cache",
    "download": "downloaded from an official mirror",
    "bundled": "bundled with labnotes",
    "folder": "read from this folder",
}


@dataclass(frozen=True)
class Provenance:
    """What data a run used, whose they are, and whether they stand in for others.

    A notebook shows it as one line, or as a box if the data are a stand-in.

    Attributes
    ----------
    name : str
        Name in the catalogue, or ``"generated"``.
    title : str
        Name for readers.
    source : str
        ``"LABNOTES_DATA"``, ``"cache"``, ``"download"``, ``"bundled"`` or ``"folder"``.
    licence, citation : str
        As in the catalogue.
    stand_in : bool
        Whether other data were wanted.
    note : str
        What a reader must know: for a stand-in, what is missing and how to get it.
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    stand_in: bool = False
    note: str = ""

    def _sentences(self) -> str:
        return f"{self.title}, {SOURCES[self.source]}. {self.citation}. Licence: {self.licence}."

    def __str__(self) -> str:
        lead = "Stand-in data: " if self.stand_in else "Data: "
        return " ".join(filter(None, [lead + self._sentences(), self.note]))

    def _repr_html_(self) -> str:
        if not self.stand_in:
            text = escape(f"{self._sentences()} {self.note}".rstrip())
            return f'<p class="labnotes-provenance"><strong>Data.</strong> {text}</p>'
        return (
            '<div class="labnotes-standin" role="note" '
            'style="border: 2px solid currentColor; border-radius: 4px; padding: .6em 1em">'
            f"<p><strong>Stand-in data.</strong> {_code(escape(self.note))}</p>"
            f"<p>Used here: {escape(self._sentences())}</p></div>"
        )

    def _repr_markdown_(self) -> str:
        if not self.stand_in:
            return f"**Data.** {self._sentences()} {self.note}".rstrip()
        return f"> **Stand-in data.** {self.note}\n>\n> Used here: {self._sentences()}"


@dataclass(frozen=True)
class Labelled:
    """A training and a test set, the names of their classes, and where they came from."""

    train: Any
    test: Any
    classes: tuple[str, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        return (
            f"{self.provenance.title}: train {self.train}, test {self.test}, "
            f"{len(self.classes)} classes"
        )


def _code(html: str) -> str:
    return re.sub("`([^`]*)`", r"<code>\1</code>", html)


def of(dataset: Dataset, source: str, note: str = "") -> Provenance:
    """The provenance of a catalogued data set that came from `source`."""
    return Provenance(
        dataset.name, dataset.title, source, dataset.licence, dataset.citation, note=note
    )


def missing(wanted: Dataset, consequence: str) -> str:
    """The note of a stand-in: what was wanted, what is different now, how to get the real data."""
    return (
        f"The data that this run is made for ({wanted.title}) are neither on this machine nor to be "
        f"downloaded now, so others take their place. {consequence} For the real data run "
        f"`labnotes data get {wanted.name}` with a network connection, or set LABNOTES_DATA to a "
        "folder that holds them, and run the page again."
    )
