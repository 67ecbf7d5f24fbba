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
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pooch
import pytest

from labnotes.data import DatasetUnavailable, archives, catalog

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
            self.server.closing.wait(600)
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
        instead_of=("part/toy.bin",),
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
    assert time.monotonic() - start < 300  # the mirror that stalls would take ten minutes
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
    calls, late, test_is_over = [], [], threading.Event()

    def name_server_does_not_answer(address, timeout):
        calls.append(address)
        test_is_over.wait(60)
        late.append(address)
        raise OSError("too late")

    monkeypatch.setattr(catalog, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(catalog.socket, "create_connection", name_server_does_not_answer)
    toy("http://mirror.invalid/toy.bin")
    for _ in range(3):
        with pytest.raises(DatasetUnavailable, match="no answer within 0.2 s"):
            catalog.fetch("toy", progress=False)
    assert late == [], "the answer was waited for"
    test_is_over.set()
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
    with pytest.raises(ValueError, match="no data set 'mnist'.* fashion_mnist, cifar10, fra_eng"):
        catalog.fetch("mnist")


# Of these no address is known that gives a file with a known checksum.
WITHOUT_ADDRESS = {"sentiment_sentences"}


def test_every_entry_has_a_sound_checksum_and_an_address():
    lengths = {"sha256": 64, "sha1": 40, "md5": 32, "contents": 64}
    for name, dataset in catalog.catalog().items():
        assert dataset.files and dataset.title and dataset.licence and dataset.citation, name
        assert dataset.homepage.startswith("https://")
        assert dataset.downloadable == (not dataset.bundled and name not in WITHOUT_ADDRESS), name
        for file in dataset.files:
            algorithm, *folder, digest = file.checksum.split(":")
            # The first digits of a sha256 are what the names of torch's weights hold.
            length = len(digest) if file.name.endswith(f"-{digest}.pth") else lengths[algorithm]
            assert re.fullmatch(f"[0-9a-f]{{{length}}}", digest), (name, file.name)
            assert len(digest) >= 8 and len(folder) == (algorithm == "contents")
            assert not (file.notice and (file.urls or file.instead_of))
            for url in file.urls:
                assert re.fullmatch(r"https?://[^/]+/.*[^/]", url)
                assert url.split("/")[-1] == Path(file.name).name


def test_a_file_that_may_replace_others_comes_with_an_address_or_after_one():
    """So that a download never ends at a packing that only a reader's own folder can have."""
    for name, dataset in catalog.catalog().items():
        for slot, files in dataset.slots().items():
            if not dataset.bundled and name not in WITHOUT_ADDRESS:
                assert files[0].urls, (name, slot)


def test_fashion_mnist_has_the_md5_that_torchvision_knows(real_data):
    from torchvision.datasets import FashionMNIST

    found = real_data("fashion_mnist")
    for name, md5 in FashionMNIST.resources:
        content = found.paths[f"FashionMNIST/raw/{name}"].read_bytes()
        assert hashlib.md5(content).hexdigest() == md5


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("fra_eng", "fra-eng.zip"), ("time_machine", "timemachine.txt"),
        ("airfoil", "airfoil_self_noise.dat"), ("glove", "glove.6B.50d.zip"),
        ("snli", "snli_1.0.zip"),
    ],
)  # fmt: skip
def test_the_files_that_d2l_uses_have_the_checksum_that_d2l_knows(name, file):
    """By the checksum itself, or by that of the file which lies here."""
    source = Path(pytest.importorskip("d2l").__file__).with_name("torch.py").read_text()
    known = re.search(re.escape(file) + r"'[^']{1,60}'([0-9a-f]{40})'", source).group(1)
    entry = catalog.entry(name)
    if f"sha1:{known}" not in [f.checksum for f in entry.files]:
        found = catalog.locate(name)
        if found is None:
            pytest.skip(f"no {file} here")
        content = next(path for path in found.paths.values() if path.name == file).read_bytes()
        assert hashlib.sha1(content).hexdigest() == known


def test_the_archives_that_torchvision_uses_have_its_checksums():
    datasets = pytest.importorskip("torchvision.datasets")
    known = {f"md5:{md5}" for _, md5 in datasets.OxfordIIITPet._RESOURCES}
    assert known == {f.checksum for f in catalog.entry("oxford_pets").files if f.urls}


def test_the_readme_names_each_set_with_its_licence_and_citation():
    rows = [r for r in (ROOT / "data/README.md").read_text().splitlines() if r.startswith("| [")]
    assert len(rows) == len(catalog.catalog())
    for row, dataset in zip(rows, catalog.catalog().values()):
        _, first, items, licence, citation, use, _ = [cell.strip() for cell in row.split("|")]
        assert first == f"[`{dataset.name}`]({dataset.homepage}): {dataset.title}"
        assert (items, licence, citation, use) == (
            dataset.items, dataset.licence, dataset.citation, dataset.use,
        )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["fashion-mnist", "fashion_mnist", "Fashion-MNIST", " fashion_mnist "]
)
def test_every_spelling_of_a_name_is_understood(name):
    assert catalog.entry(name).name == "fashion_mnist"
    assert catalog.entry("tiny-shakespeare") is catalog.entry("tiny_shakespeare")


def test_home_and_blanks_in_the_names_of_folders_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # the home on Windows
    parts = [" ~/data ", "", "  ", str(tmp_path / "two words")]
    monkeypatch.setenv("LABNOTES_DATA", os.pathsep.join(parts))
    assert catalog.data_folders() == [tmp_path / "data", tmp_path / "two words"]
    monkeypatch.setenv("LABNOTES_CACHE", " ~/cache ")
    assert catalog.cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("LABNOTES_CACHE", " ")
    assert catalog.cache_folder().name == "labnotes"


def test_one_packing_can_stand_for_two_files(cache, monkeypatch, toy, tmp_path):
    both = catalog.File("both.zip", SHA256, None, (), instead_of=("part/toy.bin", "more.bin"))
    more = catalog.File("more.bin", SHA256, 10, ("http://127.0.0.1:1/more.bin",))
    entry = toy("http://127.0.0.1:1/toy.bin", also=(more, both))
    (tmp_path / "data/toys").mkdir(parents=True)
    (tmp_path / "data/toys/both.zip").write_bytes(CONTENT)
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "data"))
    assert set(catalog.fetch("toy").paths.values()) == {tmp_path / "data/toys/both.zip"}
    assert entry.size == len(CONTENT) + 10


def test_a_notice_is_checked_where_it_lies_and_never_needed(cache, toy, tmp_path, monkeypatch):
    notice = catalog.File("LICENSE", "sha256:" + "0" * 64, None, (), notice=True)
    entry = toy("http://127.0.0.1:1/toy.bin", also=(notice,))
    (tmp_path / "toys/part").mkdir(parents=True)
    (tmp_path / "toys/part/toy.bin").write_bytes(CONTENT)
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path))
    assert list(catalog.fetch("toy").paths) == ["part/toy.bin"]
    (tmp_path / "toys/LICENSE").write_text("another")
    assert catalog.check(entry, tmp_path / "toys")[1] == [tmp_path / "toys/LICENSE"]


def test_the_first_digits_of_a_checksum_do(toy, tmp_path):
    (tmp_path / "toy.bin").write_bytes(CONTENT)
    begins = catalog.File("toy.bin", SHA256[: len("sha256:") + 8], None, ())
    assert begins.is_at(tmp_path / "toy.bin")
    (tmp_path / "toy.bin").write_bytes(CONTENT[1:])
    assert not begins.is_at(tmp_path / "toy.bin")


def zipped(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_the_contents_of_an_archive_are_known_however_it_is_packed(tmp_path):
    content = {"BCCD/a.jpg": b"one", "BCCD/deep/b.xml": b"two"}
    mine = zipped(tmp_path / "mine.zip", {**content, "BCCD/LICENSE": b"MIT"})
    lines = [hashlib.sha256(b"one").hexdigest() + "  a.jpg\n",
             hashlib.sha256(b"two").hexdigest() + "  deep/b.xml\n"]  # fmt: skip
    digest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    assert archives.contents_digest(mine, "BCCD") == digest
    theirs = {f"BCCD_Dataset-1a2b/{name}": data for name, data in reversed(content.items())}
    packed = {**theirs, "BCCD_Dataset-1a2b/README.md": b"?", "x/BCCD/.DS_Store": b"?"}
    file = catalog.File("a.zip", f"contents:BCCD:{digest}", None, ())
    assert file.is_at(zipped(tmp_path / "a.zip", packed, compression=zipfile.ZIP_DEFLATED))
    assert not file.is_at(zipped(tmp_path / "b.zip", {**packed, "x/BCCD/deep/b.xml": b"3"}))
    (tmp_path / "c.zip").write_bytes(b"no archive")
    assert not file.is_at(tmp_path / "c.zip")


def test_the_blood_cells_of_github_and_those_here_are_the_same(real_data):
    (path,) = real_data("bccd").paths.values()
    official = catalog.entry("bccd").files[0]
    assert official.is_at(path), "the digest is of the pictures, annotations and lists alone"


def test_an_archive_is_unpacked_into_the_cache_and_once(cache, toy, tmp_path, monkeypatch):
    toy("http://127.0.0.1:1/toy.bin")
    archive = zipped(tmp_path / "toy.zip", {"a/b.txt": b"first"})
    folder = catalog.unpacked("toy", archive)
    assert folder.is_relative_to(cache) and (folder / "a/b.txt").read_bytes() == b"first"
    (folder / "a/b.txt").write_bytes(b"second")
    assert (catalog.unpacked("toy", archive) / "a/b.txt").read_bytes() == b"second"
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "file"))
    with pytest.raises(DatasetUnavailable, match="could not be unpacked.*\n.*set LABNOTES_CACHE"):
        catalog.unpacked("toy", archive)
    evil = zipped(tmp_path / "evil.zip", {"../evil.txt": b"out"})
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(archives.BadArchive, match="lead out of its folder"):
        catalog.unpacked("toy", evil)


def test_what_has_no_address_says_so(cache, toy, monkeypatch):
    toy()
    with pytest.raises(DatasetUnavailable, match="mirrors: there are none\nSet LABNOTES_DATA to"):
        catalog.fetch("toy")


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
