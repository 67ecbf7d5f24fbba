"""The zip of the site, and the links to it and to the PDF."""

from __future__ import annotations

import zipfile

import pytest
from bs4 import BeautifulSoup

from labnotes_site import offline
from labnotes_site.export.downloads import PDF, ZIP, publish

PAGE = '<p>Words <span class="ln-downloads"></span></p>'


@pytest.fixture
def html(tmp_path):
    folder = tmp_path / "_build" / "html"
    (folder / "chapters").mkdir(parents=True)
    for page in ("index.html", "chapters/one.html"):
        (folder / page).write_text(PAGE, "utf8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def hrefs(text: str) -> list[str]:
    return [a["href"] for a in BeautifulSoup(text, "lxml").find_all("a")]


def test_a_site_without_files_links_none_and_with_them_from_every_folder(html):
    assert hrefs((html / "index.html").read_text()) == []
    made = html.parent / PDF
    made.write_bytes(b"%PDF")
    publish(made, html)
    assert hrefs((html / "index.html").read_text()) == [PDF]
    assert hrefs((html / "chapters" / "one.html").read_text()) == [f"../{PDF}"]
    publish(made, html)  # once more: nothing doubles
    assert hrefs((html / "index.html").read_text()) == [PDF]
    assert (html / PDF).read_bytes() == b"%PDF"


def test_the_zip_has_every_file_but_itself_and_does_not_link_itself(html):
    (html / PDF).write_bytes(b"%PDF")
    for _ in range(2):  # the second time a zip lies in the site
        offline.main(["--root", str(html.parents[1])])
    with zipfile.ZipFile(html.parent / ZIP) as zipped:
        assert sorted(zipped.namelist()) == sorted(
            f"labnotes/{name}" for name in ("index.html", "chapters/one.html", "picture.png", PDF)
        )
        assert hrefs(zipped.read("labnotes/index.html").decode()) == [PDF]
        assert zipped.read("labnotes/picture.png") == b"\x89PNG"
    assert hrefs((html / "chapters" / "one.html").read_text()) == [f"../{PDF}", f"../{ZIP}"]


def test_without_a_site_there_is_no_zip(tmp_path):
    with pytest.raises(FileNotFoundError, match="make book"):
        offline.pack(tmp_path, tmp_path / "new.zip")
    assert list(tmp_path.iterdir()) == []
