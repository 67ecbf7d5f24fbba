"""What all tests share: no network, one thread, the same random cases every time on CI."""

from __future__ import annotations

import os
import sys

import pytest
import torch
from hypothesis import settings

os.environ.setdefault("LABNOTES_OFFLINE", "1")  # a test never depends on somebody's server
torch.set_num_threads(1)
# jsonschema would build a grammar for web addresses, which no test needs: a second of each start.
sys.modules.setdefault("rfc3987_syntax", None)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_finish(session):
    """Ungrouped, each process would open each page, and the tests take twice as long, unnoticed."""
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if session.config.getoption("loadgroup", False) and not all("@" in i.nodeid for i in grouped):
        raise pytest.UsageError("this pytest-xdist cannot group the tests of this pytest")


@pytest.fixture
def real_data():
    """Call it with the name of a data set: skips the test where LABNOTES_DATA has not got it."""
    from labnotes.data import catalog

    def need(name: str) -> catalog.Found:
        found = catalog.locate(name)
        if found is None or found.source != "LABNOTES_DATA":
            pytest.skip(f"LABNOTES_DATA has no {name}")
        return found

    return need
