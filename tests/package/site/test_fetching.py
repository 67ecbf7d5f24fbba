"""What a build downloads: what the chapters read, and no archive of gigabytes that they do not."""

from __future__ import annotations

from labnotes.data import catalog
from labnotes_site import build


def test_a_build_asks_for_every_data_set_but_those_that_are_got_by_name_alone(monkeypatch, capsys):
    asked = []

    def fetch(name):
        asked.append(name)
        raise catalog.DatasetUnavailable(catalog.entry(name), ["nowhere"])

    monkeypatch.setattr(catalog, "fetch", fetch)
    monkeypatch.setenv("LABNOTES_OFFLINE", "0")  # which it sets
    build.fetch_data()
    assert set(catalog.catalog()) - set(asked) == {"voc2007", "voc2012", "vgg19", "inception"}
    assert "will use a stand-in" in capsys.readouterr().out
