"""The search for data: folders, cache, mirrors (a server on the loopback), and every way to fail."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pooch
import pytest

from labnotes.data import DatasetUnavailable, catalog

ROOT = Path(__file__).parents[3]
CONTENT = bytes(range(256)) * 300
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
OTHER = b"another packing of the same data"


class Mirror(BaseHTTPRequestHandler):
    """Answers as the path says: /good/, /corrupt/, /cut/, /trickle/, /stalled/, /endless/, else 404."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        how = self.path.split("/")[1]
        self.asked.append(self.path)
        if how not in ("good", "other", "corrupt", "cut", "trickle", "stalled", "endless"):
            self.send_error(404)
            return
        self.send_response(200)
        if how in ("good", "cut"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        try:
            self._body(how)
        except OSError:
            pass  # the client had enough

    def _body(self, how: str):
        if how == "good":
            self.wfile.write(CONTENT)
        elif how == "other":
            self.wfile.write(OTHER)
        elif how == "corrupt":
            self.wfile.write(CONTENT[:-1] + b"?")
        elif how == "cut":
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
        elif how == "stalled":
            self.wfile.write(CONTENT[:1000])
            self.wfile.flush()
            self.server.closing.wait(20)
        elif how == "trickle":
            while not self.server.closing.wait(0.02):
                self.wfile.write(bytes(64))
                self.wfile.flush()
        else:
            while not self.server.closing.is_set():
                self.wfile.write(bytes(2**16))

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    server.closing = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    Mirror.asked = []
    yield f"http://127.0.0.1:{server.server_port}"
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, no LABNOTES_DATA, mirrors allowed and none known to be dead."""
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("LABNOTES_DATA", raising=False)
    monkeypatch.delenv("LABNOTES_OFFLINE", raising=False)
    monkeypatch.setattr(catalog, "_unreachable", {})
    return tmp_path / "cache"


@pytest.fixture
def toy(monkeypatch):
    """Puts a data set `toy` with one file at the given addresses into the catalogue."""

    def make(*urls: str, size: int | None = len(CONTENT), checksum: str = SHA256, also=()):
        files = (catalog.File("part/toy.bin", checksum, size, urls), *also)
        entry = catalog.Dataset(
            "toy", "Toys", "1 file", "MIT", "Nobody", "https://example.org", "nothing", "toys",
            False, files,
        )  # fmt: skip
        monkeypatch.setattr(catalog, "catalog", lambda: {"toy": entry})
        return entry

    return make


def left_over(cache: Path) -> list[str]:
    return sorted(str(p.relative_to(cache)) for p in cache.rglob("*")) if cache.exists() else []


# ---- what is found, and in which order ----


def test_a_download_lands_in_the_cache_and_is_found_there_next_time(mirror, cache, toy):
    toy(f"{mirror}/good/toy.bin")
    first, second = catalog.fetch("toy", progress=False), catalog.fetch("toy", progress=False)
    assert (first.source, second.source) == ("download", "cache")
    assert first.paths == second.paths == {"part/toy.bin": cache / "toys/part/toy.bin"}
    assert first.paths["part/toy.bin"].read_bytes() == CONTENT
    assert left_over(cache) == ["toys", "toys/part", "toys/part/toy.bin"]
    assert Mirror.asked == ["/good/toy.bin"]


def test_a_folder_of_labnotes_data_comes_before_the_cache_and_the_mirrors(
    mirror, cache, toy, tmp_path, monkeypatch
):
    toy(f"{mirror}/good/toy.bin")
    catalog.fetch("toy", progress=False)
    folders = [tmp_path / "empty", tmp_path / "full"]
    (folders[1] / "toys/part").mkdir(parents=True)
    (folders[1] / "toys/part/toy.bin").write_bytes(CONTENT)
    monkeypatch.setenv("LABNOTES_DATA", os.pathsep.join(map(str, folders)))
    found = catalog.fetch("toy")
    assert found.source == "LABNOTES_DATA"
    assert found.paths["part/toy.bin"] == folders[1] / "toys/part/toy.bin"


def test_a_local_file_with_another_checksum_is_not_used(mirror, cache, toy, tmp_path, monkeypatch):
    toy(f"{mirror}/good/toy.bin")
    wrong = tmp_path / "data/toys/part/toy.bin"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(CONTENT[:-1] + b"?")
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "data"))
    looked = []
    assert catalog.locate("toy", looked) is None
    assert "toy.bin is there but its size or checksum is not the official one" in looked[0]
    assert catalog.fetch("toy", progress=False).source == "download"
    assert wrong.read_bytes() == CONTENT[:-1] + b"?", "the user's own file must stay as it is"


def test_a_damaged_file_in_the_cache_is_downloaded_again(mirror, cache, toy):
    toy(f"{mirror}/good/toy.bin")
    path = catalog.fetch("toy", progress=False).paths["part/toy.bin"]
    path.write_bytes(b"damaged")
    assert catalog.fetch("toy", progress=False).source == "download"
    assert path.read_bytes() == CONTENT


def test_either_packing_will_do(mirror, cache, toy):
    packing = catalog.File(
        "part/toy.bin",
        "sha1:" + hashlib.sha1(OTHER).hexdigest(),
        None,
        (f"{mirror}/other/toy.bin",),
        instead_of="part/toy.bin",
    )
    toy(f"{mirror}/gone/toy.bin", also=(packing,))
    assert catalog.fetch("toy", progress=False).paths["part/toy.bin"].read_bytes() == OTHER
    assert catalog.fetch("toy").source == "cache"
    assert Mirror.asked == ["/gone/toy.bin", "/other/toy.bin"]


# ---- mirrors that fail ----


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("gone", "answered 404"),
        ("corrupt", "refused, because what came has not the official checksum"),
        ("cut", "IncompleteRead|Connection broken"),
        ("endless", "more than the 76,800 bytes"),
        ("stalled", "broke off"),
        ("trickle", "too slow"),
    ],
)
def test_a_bad_mirror_is_refused_and_leaves_nothing(mirror, cache, toy, monkeypatch, how, said):
    monkeypatch.setattr(catalog, "READ_SECONDS", 0.4)
    monkeypatch.setattr(catalog, "LEAST_BYTES_PER_SECOND", 20_000)
    toy(f"{mirror}/{how}/toy.bin")
    start = time.monotonic()
    with pytest.raises(DatasetUnavailable, match=said) as caught:
        catalog.fetch("toy", progress=False)
    assert time.monotonic() - start < 10
    assert left_over(cache) == []
    message = str(caught.value)
    assert "LABNOTES_DATA: not set" in message and f"{mirror}/{how}/toy.bin" in message
    assert "labnotes data get toy" in message and caught.value.name == "toy"


def test_the_next_mirror_is_asked_when_the_first_gives_a_corrupt_file(mirror, cache, toy):
    toy(f"{mirror}/corrupt/toy.bin", f"{mirror}/good/toy.bin")
    assert catalog.fetch("toy", progress=False).paths["part/toy.bin"].read_bytes() == CONTENT
    assert Mirror.asked == ["/corrupt/toy.bin", "/good/toy.bin"]


def test_a_download_with_an_unknown_size_is_bounded_too(mirror, cache, toy, monkeypatch):
    monkeypatch.setattr(catalog, "LARGEST_FILE", 10_000)
    toy(f"{mirror}/endless/toy.bin", size=None)
    with pytest.raises(DatasetUnavailable, match="more than the 10,000 bytes"):
        catalog.fetch("toy", progress=False)


def test_a_dead_mirror_is_waited_for_once(cache, toy, monkeypatch):
    calls = []

    def name_server_does_not_answer(address, timeout):
        calls.append(address)
        time.sleep(3)
        raise OSError("too late")

    monkeypatch.setattr(catalog, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(catalog.socket, "create_connection", name_server_does_not_answer)
    toy("http://mirror.invalid/toy.bin")
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(DatasetUnavailable, match="no answer within 0.2 s"):
            catalog.fetch("toy", progress=False)
    assert time.monotonic() - start < 1.5
    assert calls == [("mirror.invalid", 80)]


def test_a_closed_port_is_reported(cache, toy):
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        port = server.server_port
    toy(f"http://127.0.0.1:{port}/toy.bin")
    with pytest.raises(DatasetUnavailable, match=r"no connection \(.*refused"):
        catalog.fetch("toy", progress=False)


def test_offline_asks_no_mirror(mirror, cache, toy, monkeypatch):
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    toy(f"{mirror}/good/toy.bin")
    with pytest.raises(DatasetUnavailable, match="not asked, LABNOTES_OFFLINE is set"):
        catalog.fetch("toy")
    assert Mirror.asked == []


# ---- the disk fails ----


def test_too_little_space_is_seen_before_the_download(mirror, cache, toy, monkeypatch):
    toy(f"{mirror}/good/toy.bin")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(catalog.shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(DatasetUnavailable, match="76,800 bytes are needed, 100 are free"):
        catalog.fetch("toy", progress=False)
    assert Mirror.asked == [] and left_over(cache) == []


def test_a_disk_that_fills_up_leaves_nothing(mirror, cache, toy, monkeypatch):
    toy(f"{mirror}/good/toy.bin", f"{mirror}/good/again.bin")

    class FullDisk(pooch.HTTPDownloader):
        def __call__(self, url, output_file, pooch, check_only=False):
            Path(output_file).write_bytes(CONTENT[:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pooch, "HTTPDownloader", FullDisk)
    with pytest.raises(DatasetUnavailable, match="No space left on device") as caught:
        catalog.fetch("toy", progress=False)
    assert "set LABNOTES_CACHE to another folder" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert left_over(cache) == []


def test_a_cache_that_cannot_be_written_is_reported(mirror, cache, toy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "file" / "cache"))
    toy(f"{mirror}/good/toy.bin")
    with pytest.raises(DatasetUnavailable, match="could not be written .*: Not a directory"):
        catalog.fetch("toy", progress=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_cache_is_reported(mirror, cache, toy):
    cache.mkdir()
    cache.chmod(0o500)
    toy(f"{mirror}/good/toy.bin")
    with pytest.raises(DatasetUnavailable, match="Permission denied"):
        catalog.fetch("toy", progress=False)
    assert left_over(cache) == []


def test_a_killed_download_is_not_taken_for_the_file(mirror, cache, toy):
    toy(f"{mirror}/good/toy.bin")
    folder = cache / "toys/part"
    folder.mkdir(parents=True)
    (folder / "tmpabcdef").write_bytes(CONTENT[:500])  # what kill -9 leaves of pooch's temporary
    assert catalog.locate("toy") is None
    assert catalog.fetch("toy", progress=False).source == "download"


# ---- the catalogue itself ----


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(
        ValueError, match="no data set 'mnist'.* fashion_mnist, cifar10, fra_eng, digits"
    ):
        catalog.fetch("mnist")


def test_every_entry_has_a_sound_checksum_and_an_address():
    lengths = {"sha256": 64, "sha1": 40, "md5": 32}
    for name, dataset in catalog.catalog().items():
        assert dataset.files and dataset.title and dataset.licence and dataset.citation, name
        assert dataset.homepage.startswith("https://")
        for file in dataset.files:
            algorithm, digest = file.checksum.split(":")
            assert re.fullmatch(f"[0-9a-f]{{{lengths[algorithm]}}}", digest), (name, file.name)
            assert file.instead_of is None or file.instead_of in dataset.slots()
            # A packing that comes with the package or from a reader's folder has no address.
            assert bool(file.urls) != (dataset.bundled or "subset" in file.name)
            for url in file.urls:
                assert re.fullmatch(r"https?://[^/]+/.*[^/]", url)
                assert url.split("/")[-1] == Path(file.name).name


def test_fashion_mnist_has_the_md5_that_torchvision_knows(real_data):
    from torchvision.datasets import FashionMNIST

    found = real_data("fashion_mnist")
    for name, md5 in FashionMNIST.resources:
        assert hashlib.md5(found.paths[name].read_bytes()).hexdigest() == md5


def test_the_sentence_pairs_of_d2l_have_the_checksum_that_d2l_knows():
    source = Path(pytest.importorskip("d2l").__file__).with_name("torch.py").read_text()
    known = re.search(r"fra-eng\.zip',\s*'([0-9a-f]{40})'", source).group(1)
    assert f"sha1:{known}" in [f.checksum for f in catalog.entry("fra_eng").files]


def test_the_readme_names_each_set_with_its_licence_and_citation():
    rows = [r for r in (ROOT / "data/README.md").read_text().splitlines() if r.startswith("| [")]
    assert len(rows) == len(catalog.catalog())
    for row, dataset in zip(rows, catalog.catalog().values()):
        _, first, items, licence, citation, use, _ = [cell.strip() for cell in row.split("|")]
        assert first == f"[`{dataset.name}`]({dataset.homepage}): {dataset.title}"
        assert (items, licence, citation, use) == (
            dataset.items, dataset.licence, dataset.citation, dataset.use,
        )  # fmt: skip


def test_check_tells_right_files_from_wrong_ones(toy, tmp_path):
    entry = toy("http://127.0.0.1:1/toy.bin")
    path = tmp_path / "part/toy.bin"
    path.parent.mkdir()
    assert catalog.check(entry, tmp_path) == ([], [])
    path.write_bytes(CONTENT)
    assert catalog.check(entry, tmp_path) == ([path], [])
    path.write_bytes(CONTENT[1:] + b"?")
    assert catalog.check(entry, tmp_path) == ([], [path])


def test_importing_the_package_is_cheap_and_needs_no_peer():
    code = (
        "import sys, labnotes.data; "
        "print(*[m for m in ('scipy','sklearn','pandas','d2l','matplotlib','requests','pooch','PIL') "
        "if m in sys.modules])"
    )
    alone = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert alone == []
