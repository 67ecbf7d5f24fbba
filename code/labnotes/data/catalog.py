"""Find a data set: local folders first, then the cache, then its official mirrors.

The list of data sets is ``datasets.toml`` beside this file. Every file in it has a checksum, and a
file that does not match is never used, wherever it lies.

Environment variables
---------------------
LABNOTES_DATA
    Folders to look in first (separated like ``PATH``), one sub-folder a data set. ``~`` is the
    user's home, and blanks around a folder's name do not count.
LABNOTES_CACHE
    Where downloads go, in the same layout; the user's own cache folder unless set.
LABNOTES_OFFLINE
    ``1``: never ask a mirror.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import socket
import tempfile
import threading
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from labnotes.data import archives

HERE = Path(__file__).parent
CONNECT_SECONDS = 4  # to reach a mirror at all
READ_SECONDS = 15  # without a byte from it
LEAST_BYTES_PER_SECOND = 2_000  # averaged, after READ_SECONDS: slower than this is a dead mirror
CHUNK = 1024  # bytes; a bigger chunk would keep a trickling mirror from being noticed
LARGEST_FILE = 2**31  # bytes, for a file whose size the catalogue does not know

_unreachable: dict[str, str] = {}  # mirror -> why: no loader waits twice for the same one


class DatasetUnavailable(RuntimeError):
    """A data set that is in no local folder and could not be downloaded.

    Attributes
    ----------
    name : str
        The data set.
    looked : list of str
        One line for each place, with what was wrong there.
    """

    def __init__(self, dataset: Dataset, looked: list[str], advice: str = ""):
        self.name, self.looked = dataset.name, looked
        places = "\n".join(f"  - {line}" for line in looked)
        super().__init__(
            f"{dataset.title} ({dataset.name}) is not to be had. Looked in:\n{places}\n"
            + (advice or _advice(dataset))
        )


def _advice(dataset: Dataset) -> str:
    get = f"Run `labnotes data get {dataset.name}` with a network connection, or set"
    return (
        f"{get if dataset.downloadable else 'Set'} LABNOTES_DATA to a folder that holds "
        f"{dataset.folder}/ (homepage: {dataset.homepage})."
    )


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes
    ----------
    name : str
        Path under the data set's folder.
    checksum : str
        Algorithm and digest, for example ``"sha256:3aed…"``. Of some files only the first digits
        of the digest are published. ``"contents:FOLDER:…"`` is the digest of
        :func:`labnotes.data.archives.contents_digest`, for an archive that its server packs anew.
    size : int or None
        Bytes, where known.
    urls : tuple of str
        Official addresses, in the order in which they are tried.
    instead_of : tuple of str
        The names of the files of the same data set that this one can take the place of.
    notice : bool
        Whether it is only a licence or a readme: checked where it lies, but not needed.
    """

    name: str
    checksum: str
    size: int | None
    urls: tuple[str, ...]
    instead_of: tuple[str, ...] = ()
    notice: bool = False

    def is_at(self, path: Path) -> bool:
        """Whether `path` is this file, byte for byte (or, for ``contents:``, member for member)."""
        if not path.is_file() or self.size not in (None, path.stat().st_size):
            return False
        algorithm, *folder, digest = self.checksum.split(":")
        if folder:
            try:
                return archives.contents_digest(path, *folder) == digest
            except archives.BadArchive:
                return False
        with open(path, "rb") as content:
            return hashlib.file_digest(content, algorithm).hexdigest().startswith(digest)


@dataclass(frozen=True)
class Dataset:
    """An entry of the catalogue: what it is, whose it is, and which files hold it."""

    name: str
    title: str
    items: str
    licence: str
    citation: str
    homepage: str
    use: str
    folder: str
    bundled: bool
    files: tuple[File, ...]

    def slots(self) -> dict[str, list[File]]:
        """For each file that is needed, the files that will do, the best first."""
        slots: dict[str, list[File]] = {}
        for file in self.files:
            for slot in () if file.notice else file.instead_of or (file.name,):
                slots.setdefault(slot, []).append(file)
        return slots

    @property
    def downloadable(self) -> bool:
        """Whether every file that is needed has an address."""
        return all(any(f.urls for f in files) for files in self.slots().values())

    @property
    def size(self) -> int | None:
        """Bytes to download: of the first choice of each file. None if that is not known."""
        slots = self.slots().values()
        sizes = [f.size for f in {next((f for f in fs if f.urls), fs[0]) for fs in slots}]
        return None if None in sizes else sum(sizes)


@dataclass(frozen=True)
class Found:
    """The files of a data set on this machine.

    Attributes
    ----------
    paths : dict of str to Path
        For each file that is needed, where it (or the one that replaces it) lies.
    source : str
        ``"LABNOTES_DATA"``, ``"cache"``, ``"download"`` or ``"bundled"``.
    """

    paths: dict[str, Path]
    source: str


@functools.cache
def catalog(file: Path = HERE / "datasets.toml") -> dict[str, Dataset]:
    """All data sets of the catalogue by name, in its order."""
    with open(file, "rb") as stream:
        entries = tomllib.load(stream)
    return {name: _dataset(name, entry) for name, entry in entries.items()}


def _dataset(name: str, entry: dict) -> Dataset:
    entry = dict(entry)
    mirrors = entry.pop("mirrors", [])
    files = tuple(
        File(
            name=file["name"],
            checksum=file["checksum"],
            size=file.get("size"),
            urls=tuple(m + PurePosixPath(file["name"]).name for m in file.get("mirrors", mirrors)),
            instead_of=tuple(file.get("instead_of", ())),
            notice=file.get("notice", False),
        )
        for file in entry.pop("files")
    )
    return Dataset(name=name, files=files, bundled=entry.pop("bundled", False), **entry)


def plain_name(name: str) -> str:
    """A data set's name as the catalogue spells it: ``fashion_mnist`` for ``Fashion-MNIST``."""
    return name.strip().lower().replace("-", "_")


def entry(name: str) -> Dataset:
    """The catalogue's entry `name`; hyphens and capitals do (see :func:`plain_name`).

    Raises
    ------
    ValueError
        If there is none; the message lists the names there are.
    """
    if plain_name(name) not in catalog():
        raise ValueError(f"no data set {name!r} in the catalogue: it has {', '.join(catalog())}")
    return catalog()[plain_name(name)]


def data_folders() -> list[Path]:
    """The folders named in ``LABNOTES_DATA``."""
    named = os.environ.get("LABNOTES_DATA", "").split(os.pathsep)
    return [Path(name.strip()).expanduser() for name in named if name.strip()]


def cache_folder() -> Path:
    """Where downloads go: ``LABNOTES_CACHE``, or the user's cache folder."""
    import pooch

    named = os.environ.get("LABNOTES_CACHE", "").strip()
    return Path(named or pooch.os_cache("labnotes")).expanduser()


def offline() -> bool:
    """Whether ``LABNOTES_OFFLINE`` forbids to ask mirrors."""
    return os.environ.get("LABNOTES_OFFLINE", "").lower() in ("1", "true", "yes")


def places(dataset: Dataset) -> list[tuple[str, Path]]:
    """Where the files of `dataset` may lie on this machine: (source, folder), in search order."""
    if dataset.bundled:
        return [("bundled", HERE / dataset.folder)]
    local = [("LABNOTES_DATA", folder / dataset.folder) for folder in data_folders()]
    return local + [("cache", cache_folder() / dataset.folder)]


def locate(name: str, looked: list[str] | None = None) -> Found | None:
    """The data set's files on this machine, every checksum verified; nothing is downloaded.

    Parameters
    ----------
    name
        A name of the catalogue.
    looked
        A list that gets one line for each place that does not have the data set.

    Raises
    ------
    ValueError
        If the catalogue has no such name.
    """
    dataset = entry(name)
    looked = [] if looked is None else looked
    for source, folder in places(dataset):
        paths = {}
        for slot, files in dataset.slots().items():
            path = _first_match(files, folder)
            if path is None:
                looked.append(f"{source}: {_what_is_wrong(files, folder)}")
                break
            paths[slot] = path
        else:
            return Found(paths, source)
    if not dataset.bundled and not data_folders():
        looked.insert(0, "LABNOTES_DATA: not set")
    return None


def check(dataset: Dataset, folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of `dataset` that lie in `folder`: those that are right and those that are not."""
    packings: dict[str, list[File]] = {}  # of one name: either will do
    for file in dataset.files:
        packings.setdefault(file.name, []).append(file)
    there = [name for name in packings if (folder / name).exists()]
    good = [folder / n for n in there if any(f.is_at(folder / n) for f in packings[n])]
    return good, [folder / n for n in there if folder / n not in good]


def _first_match(files: list[File], folder: Path) -> Path | None:
    return next((folder / f.name for f in files if f.is_at(folder / f.name)), None)


def _what_is_wrong(files: list[File], folder: Path) -> str:
    there = [folder / f.name for f in files if (folder / f.name).exists()]
    if there:
        return f"{there[0]} is there but its size or checksum is not the official one"
    return f"no {folder / files[0].name}"


def fetch(name: str, *, progress: bool = True) -> Found:
    """The data set's files, downloaded into the cache if they are not on this machine yet.

    Parameters
    ----------
    name
        A name of the catalogue.
    progress
        Show a progress bar while a file is downloaded.

    Raises
    ------
    ValueError
        If the catalogue has no such name.
    DatasetUnavailable
        If no local folder has the files and no mirror gives them. The message says what was wrong
        at each place; nothing is left half-written.
    """
    looked: list[str] = []
    found = locate(name, looked)
    if found:
        return found
    dataset = entry(name)
    if dataset.bundled:
        raise DatasetUnavailable(dataset, looked, "It belongs to labnotes: install that anew.")
    if not dataset.downloadable:
        raise DatasetUnavailable(dataset, looked + ["mirrors: there are none"])
    if offline():
        raise DatasetUnavailable(dataset, looked + ["mirrors: not asked, LABNOTES_OFFLINE is set"])
    folder = cache_folder() / dataset.folder
    paths = {
        slot: _first_match(files, folder) or _download(dataset, files, folder, looked, progress)
        for slot, files in dataset.slots().items()
    }
    return Found(paths, "download")


def unpacked(name: str, archive: Path) -> Path:
    """The folder with the content of an archive of the data set `name`, unpacked on first use.

    It lies in the cache, whether the archive does or not: a folder of ``LABNOTES_DATA`` need not
    be writable. What is unpacked is not checked again; delete the folder to have it made anew.

    Parameters
    ----------
    name
        A name of the catalogue.
    archive
        One of the paths that :func:`fetch` gave.

    Raises
    ------
    BadArchive
        If the archive holds what no data set needs (see :func:`labnotes.data.archives.unpack`).
    DatasetUnavailable
        If the folder cannot be written.
    """
    dataset = entry(name)
    folder = cache_folder() / "unpacked" / dataset.name / f"{archive.name}-{archive.stat().st_size}"
    try:
        return archives.unpack(archive, folder)
    except OSError as error:
        looked = [f"{archive}: could not be unpacked to {folder}: {error.strerror or error}"]
        advice = "Make room there, or set LABNOTES_CACHE to another folder to write to."
        raise DatasetUnavailable(dataset, looked, advice) from error


def _download(
    dataset: Dataset, files: list[File], folder: Path, looked: list[str], progress: bool
) -> Path:
    """Try every mirror of every file that will do; the path of the first that is right."""
    from requests import RequestException

    for file, url in [(choice, url) for choice in files for url in choice.urls]:
        mirror = urlsplit(url).netloc
        try:
            if mirror in _unreachable:
                raise _NoAnswer(_unreachable[mirror])
            _reach(url)
            return _retrieve(url, file, folder, progress)
        except _NoAnswer as error:
            _unreachable[mirror] = str(error)
            looked.append(f"{url}: {error}")
        except (RequestException, ValueError) as error:
            looked.append(f"{url}: {_in_words(error)}")
        except OSError as error:
            advice = f"Make room in {folder}, or set LABNOTES_CACHE to another folder to write to."
            looked.append(f"{url}: could not be written to {folder}: {error.strerror or error}")
            raise DatasetUnavailable(dataset, looked, advice) from error
        finally:
            _remove_if_empty((folder / file.name).parent)
    raise DatasetUnavailable(dataset, looked)


class _NoAnswer(Exception):
    """A mirror that is out of reach, or too slow to wait for."""


class _WrongContent(ValueError):
    """A download that has not the checksum of the catalogue."""


def _in_words(error: Exception) -> str:
    from requests import HTTPError

    if isinstance(error, HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, _WrongContent):
        return "refused, because what came has not the official checksum"
    return f"{type(error).__name__}: {error}"


def _reach(url: str) -> None:
    """Open and close a connection to the mirror (or to the proxy), within CONNECT_SECONDS.

    A time limit on the request alone would not do: looking up a name can take much longer when
    there is no network, and has no limit of its own. Hence the thread.
    """
    from requests.utils import get_environ_proxies, select_proxy

    parts = urlsplit(select_proxy(url, get_environ_proxies(url)) or url)
    address = (parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443))
    trouble: list[str] = [f"no answer within {CONNECT_SECONDS} s"]

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=CONNECT_SECONDS).close()
            trouble.clear()
        except OSError as error:
            trouble[:] = [f"no connection ({error.strerror or error})"]

    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(CONNECT_SECONDS)
    if trouble:
        raise _NoAnswer(trouble[0])


def _retrieve(url: str, file: File, folder: Path, progress: bool) -> Path:
    """Download one file with pooch's downloader: to a temporary name, checked, then renamed."""
    import pooch
    import requests

    target = folder / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < (file.size or 0):
        raise OSError(None, f"{file.size:,} bytes are needed, {free:,} are free")
    watch = _Watch(file, progress)
    download = pooch.HTTPDownloader(
        progressbar=watch, chunk_size=CHUNK, timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    os.close(handle)
    try:
        download(url, temporary, None)
        if not file.is_at(Path(temporary)):
            raise _WrongContent(url)
        os.chmod(temporary, 0o644)  # others may read it, unlike a temporary file
        os.replace(temporary, target)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _NoAnswer(f"broke off ({type(error).__name__})") from error
    finally:
        watch.close()
        Path(temporary).unlink(missing_ok=True)
    return target


class _Watch:
    """The progress bar that pooch feeds, which also stops a download that is too slow or too long."""

    def __init__(self, file: File, progress: bool):
        from tqdm.auto import tqdm

        self.total = file.size
        self.limit = file.size or LARGEST_FILE
        self.came, self.start = 0, time.monotonic()
        self.bar = tqdm(
            total=file.size, desc=file.name, unit="B", unit_scale=True, disable=not progress
        )

    def update(self, count: int) -> None:
        self.came += count
        self.bar.update(count)
        if self.came >= self.limit + CHUNK:  # pooch counts in whole chunks
            raise ValueError(f"more than the {self.limit:,} bytes the file should have")
        waited = time.monotonic() - self.start
        if waited > READ_SECONDS and self.came < LEAST_BYTES_PER_SECOND * waited:
            raise _NoAnswer(f"too slow, {self.came:,} bytes in {waited:.0f} s")

    def reset(self) -> None:  # pooch does this at the end, to set the bar to the true total
        self.came, self.start = 0, time.monotonic()
        self.bar.reset()

    def close(self) -> None:
        self.bar.close()


def _remove_if_empty(folder: Path) -> None:
    """Remove `folder` and the folders above it that are empty, below the cache folder."""
    while folder != cache_folder() and folder.is_relative_to(cache_folder()):
        try:
            folder.rmdir()
        except OSError:  # not empty, not there, or not ours to remove
            return
        folder = folder.parent
