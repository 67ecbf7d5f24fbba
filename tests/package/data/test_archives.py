"""Archives: what is unpacked is what was packed; hostile and damaged ones leave nothing behind."""

from __future__ import annotations

import io
import os
import random
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from labnotes.data import archives
from labnotes.data.archives import BadArchive, unpack

TREE = {"a.txt": b"first", "deep/er/b.bin": bytes(range(256)) * 50, "deep/empty": b""}


def write_zip(path: Path, tree: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tree.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, tree: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in tree.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tar_with(path: Path, **fields) -> Path:
    member = tarfile.TarInfo(fields.pop("name", "odd"))
    for field, value in fields.items():
        setattr(member, field, value)
    with tarfile.open(path, "w") as archive:
        archive.addfile(member)
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def assert_refused(archive: Path, match: str, **options) -> None:
    place = archive.parent / "place"
    with pytest.raises(BadArchive, match=match):
        unpack(archive, place / "out", **options)
    assert list(place.iterdir()) == []
    assert not (archive.parent / "evil").exists()


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_what_is_unpacked_is_what_was_packed(tmp_path, mode):
    write = write_zip if mode == "zip" else lambda p, t: write_tar(p, t, mode)
    folder = unpack(write(tmp_path / "archive", TREE), tmp_path / "new" / "out")
    assert folder == tmp_path / "new" / "out" and content(folder) == TREE
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


def test_what_the_command_tar_packs_is_unpacked(tmp_path):
    for name, text in TREE.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(text)
    subprocess.run(["tar", "czf", tmp_path / "x.tgz", "-C", tmp_path / "in", "."], check=True)
    assert content(unpack(tmp_path / "x.tgz", tmp_path / "out")) == TREE


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("kept")
    assert unpack(write_zip(tmp_path / "x.zip", TREE), out) == out
    assert content(out) == {"mine": b"kept"}


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil-labnotes", "..\\evil", "C:\\evil", "C:evil", ".."],
)
def test_a_name_that_leads_out_is_refused(tmp_path, write, name):
    assert_refused(write(tmp_path / "x", {"good": b"1", name: b"evil"}), "lead out of its folder")
    assert not Path("/evil-labnotes").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.SYMTYPE, "linkname": "elsewhere"},
        {"type": tarfile.LNKTYPE, "linkname": "../evil"},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, fields):
    assert_refused(tar_with(tmp_path / "x.tar", **fields), "link or a device")


def test_a_hard_link_to_a_good_file_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        first = tarfile.TarInfo("good")
        first.size = 3
        archive.addfile(first, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.LNKTYPE, "good"
        archive.addfile(link)
    assert_refused(tmp_path / "x.tar", "link or a device")


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert_refused(tmp_path / "x.zip", "link or a device")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, write):
    bomb = write(tmp_path / "x", {"a": bytes(600_000), "b": bytes(600_000)})
    assert bomb.stat().st_size < 10_000
    assert_refused(bomb, "more than the bytes allowed", largest=1_000_000)
    assert (
        sum(map(len, content(unpack(bomb, tmp_path / "ok", largest=1_200_000)).values()))
        == 1_200_000
    )


def test_an_archive_of_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 5)
    assert_refused(
        write_zip(tmp_path / "x", {str(i): b"" for i in range(6)}), "more than 5 members"
    )


@pytest.mark.parametrize("claim", [10, 200_000])
def test_a_zip_that_lies_about_its_size_is_refused(tmp_path, claim):
    path = write_zip(tmp_path / "x.zip", {"a": bytes(100_000)})
    packed = bytearray(path.read_bytes())
    at = packed.find(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    packed[at : at + 4] = claim.to_bytes(4, "little")
    path.write_bytes(packed)
    assert_refused(path, "damaged|cut off")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("write", ["zip", "tar"])
def test_two_members_of_one_name_are_refused(tmp_path, write):
    if write == "zip":
        with zipfile.ZipFile(tmp_path / "x", "w") as archive:
            archive.writestr("a", "1")
            archive.writestr("a", "2")
    else:
        with tarfile.open(tmp_path / "x", "w") as archive:
            archive.addfile(tarfile.TarInfo("a"))
            archive.addfile(tarfile.TarInfo("a"))
    assert_refused(tmp_path / "x", "'a' twice")


@pytest.mark.parametrize("write", [write_zip, write_tar, lambda p, t: write_tar(p, t, "w")])
def test_a_truncated_archive_leaves_nothing(tmp_path, write):
    noise = random.Random(0).randbytes(50_000)
    whole = write(tmp_path / "x", {"a": noise, "b": noise}).read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "x").write_bytes(whole[: int(share * len(whole))])
        assert_refused(tmp_path / "x", "damaged|cut off")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_flipped_byte_is_seen(tmp_path, write):
    noise = random.Random(0).randbytes(50_000)
    whole = bytearray(write(tmp_path / "x", {"a": noise}).read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "x").write_bytes(whole)
    assert_refused(tmp_path / "x", "damaged")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"<html>Not found</html>")
    assert_refused(tmp_path / "x", "damaged or locked")


def test_a_missing_archive_is_an_oserror_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "none.zip", tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(archives, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(write_zip(tmp_path / "x.zip", TREE), tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


def test_of_two_processes_that_unpack_the_same_one_wins_and_both_are_content(tmp_path, monkeypatch):
    archive, out = write_zip(tmp_path / "x.zip", TREE), tmp_path / "place" / "out"
    write = archives._write

    def while_another_is_quicker(*arguments):
        write(*arguments)
        monkeypatch.setattr(archives, "_write", write)
        unpack(archive, out)

    monkeypatch.setattr(archives, "_write", while_another_is_quicker)
    assert content(unpack(archive, out)) == TREE
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_a_tar_with_a_flood_after_its_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_TAIL", 20_000)
    path = write_tar(tmp_path / "x.tar", TREE, "w")
    with open(path, "ab") as file:
        file.write(bytes(50_000))
    assert_refused(path, "goes on after its last member")
