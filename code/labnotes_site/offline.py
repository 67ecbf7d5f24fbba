"""The site as one zip that works from a folder, with no server: ``make offline``.

``python -m labnotes_site.offline`` packs the built pages of ``_build/html`` into
``_build/labnotes-offline.zip``, and links it from them.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

from labnotes.files import replacing

from .export.downloads import ZIP, linked, publish, there

#: The one folder in the zip: unpacked, its files do not lie among others.
FOLDER = "labnotes"


def pack(html: Path, target: Path) -> None:
    """Write all files of the site in the folder `html` into the zip `target`, but no zip of it.

    Raises
    ------
    FileNotFoundError
        If there is no site.
    """
    _check_site(html)
    inside = there(html) - {ZIP}
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(p for p in html.rglob("*") if p.is_file() and p != html / ZIP):
            page = path.relative_to(html).as_posix()
            content = path.read_bytes()
            if path.suffix == ".html":  # the zip does not link itself
                content = linked(content.decode("utf8"), inside, page).encode("utf8")
            zipped.writestr(f"{FOLDER}/{page}", content)


def _check_site(html: Path) -> None:
    if not (html / "index.html").exists():
        raise FileNotFoundError(f"there is no site in {html}: run make book first")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m labnotes_site.offline", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the book's folder")
    build = parser.parse_args(argv).root.resolve() / "_build"
    pack(build / "html", build / ZIP)
    publish(build / ZIP, build / "html")
    print(f"{build / ZIP}: {(build / ZIP).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
