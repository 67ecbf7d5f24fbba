"""The hub's files: options that exist, files that agree, and what pack.py takes and leaves.

Nothing here is a hub: what needs one is named in classroom/hub/README.md as not tried.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pwd
import re
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import default as exchange
from traitlets.config import Config, PyFileConfigLoader

ROOT = Path(__file__).parents[2]
HUB = ROOT / "classroom" / "hub"
ME = pwd.getpwuid(os.getuid()).pw_name


def settings(path: Path) -> Config:
    return PyFileConfigLoader(path.name, path=str(path.parent)).load_config()


def text(name: str) -> str:
    return (HUB / name).read_text("utf8")


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all(text(name)))


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, HUB / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pack = load("pack")
CONFIG = settings(HUB / "nbgrader_config.py")
VALUES = documents("z2jh/values.yaml")[0]
GPU = documents("z2jh/gpu.yaml")[0]
CLAIM, DEPLOYMENT = documents("z2jh/exchange.yaml")


# Options


def test_nbgrader_has_every_option_of_its_settings():
    for name, options in CONFIG.items():
        kind = {"CourseDirectory": CourseDirectory}.get(name) or getattr(exchange, name)
        for option, value in options.items():
            assert option in kind.class_traits(config=True), f"{name} has no option {option}"
            assert getattr(kind(config=CONFIG), option) == value


def test_the_hub_has_every_option_of_its_settings():
    config = settings(HUB / "tljh" / "labnotes.py")
    assert set(config) == {"Spawner", "SystemdSpawner"}
    spawner = pytest.importorskip("jupyterhub.spawner", reason="only a hub has JupyterHub").Spawner
    for option in config.Spawner:
        assert option in spawner.class_traits(config=True)


#: The chart's options that the files use, as its values.schema.yaml has them
#: (https://z2jh.jupyter.org/en/stable/resources/reference.html). Below "*" is free.
CHART = """
    hub.config.*
    proxy.https.enabled proxy.https.hosts proxy.https.letsencrypt.contactEmail
    singleuser.image.name singleuser.image.tag singleuser.defaultUrl singleuser.startTimeout
    singleuser.memory.limit singleuser.memory.guarantee singleuser.cpu.limit
    singleuser.cpu.guarantee singleuser.extraEnv.* singleuser.profileList
    singleuser.storage.capacity singleuser.storage.extraVolumes.*
    singleuser.storage.extraVolumeMounts.*
    cull.enabled cull.timeout cull.every
""".split()


def paths(value, prefix=""):
    if isinstance(value, dict) and f"{prefix}*" not in CHART:
        for key, below in value.items():
            yield from paths(below, f"{prefix}{key}.")
    else:
        yield prefix.rstrip(".") if f"{prefix}*" not in CHART else f"{prefix}*"


@pytest.mark.parametrize("values", [VALUES, GPU], ids=["values", "gpu"])
def test_helm_values_use_only_options_that_the_chart_has(values):
    assert set(paths(values)) <= set(CHART)


def test_no_secret_stands_in_a_file_of_the_hub():
    def keys(value):
        if isinstance(value, dict):
            for key, below in value.items():
                yield str(key)
                yield from keys(below)
        elif isinstance(value, list):
            for below in value:
                yield from keys(below)

    for values in (VALUES, GPU, CLAIM, DEPLOYMENT):
        found = [k for k in keys(values) if re.search("secret|password|token|client_id", k, re.I)]
        assert found in ([], ["automountServiceAccountToken"])


# Files that must agree


def test_all_files_name_the_same_course_exchange_and_data():
    root, course = CONFIG.Exchange.root, CONFIG.CourseDirectory.course_id
    own = settings(ROOT / "classroom" / "nbgrader_config.py")
    assert own.CourseDirectory.course_id == course
    install, docker, readme = text("tljh/install.sh"), text("z2jh/Dockerfile"), text("README.md")
    assert f"exchange={root}\n" in install and f'"$exchange/{course}/inbound"' in install
    assert f"{root}/{course} " in docker
    assert f"there={root}/{course};" in readme and f"$ex/{course} " in readme
    for mount in VALUES["singleuser"]["storage"]["extraVolumeMounts"].values():
        assert Path(mount["mountPath"]).parent == Path(root, course)
    data = settings(HUB / "tljh" / "labnotes.py").Spawner.environment["LABNOTES_DATA"]
    assert f"LABNOTES_CACHE={data} " in install and f"LABNOTES_DATA={data}\n" in docker
    assert CONFIG.CourseDirectory.max_dir_size * 1000 == pack.SIZE


def test_both_hubs_install_the_same_programs():
    def wanted(source):
        return sorted(re.findall(r'nbgrader==[\d.]+|nbgitpuller[^"\s]+', source))

    assert wanted(text("tljh/install.sh")) == wanted(text("z2jh/Dockerfile"))
    for name in ("tljh/install.sh", "z2jh/Dockerfile", "README.md"):
        assert "https://download.pytorch.org/whl/cpu" in text(name)


def test_a_students_pod_has_its_own_inbound_and_the_rest_read_only():
    storage = VALUES["singleuser"]["storage"]
    mounts = {Path(m["mountPath"]).name: m for m in storage["extraVolumeMounts"].values()}
    assert mounts["inbound"]["subPath"] == "inbound/{username}"
    assert mounts["outbound"]["readOnly"] and mounts["feedback"]["readOnly"]
    assert {m["name"] for m in mounts.values()} == {
        v["name"] for v in storage["extraVolumes"].values()
    }
    claim = CLAIM["metadata"]["name"]
    assert CLAIM["spec"]["accessModes"] == ["ReadWriteMany"]
    (volume,) = storage["extraVolumes"].values()
    assert volume["persistentVolumeClaim"]["claimName"] == claim
    (volume,) = DEPLOYMENT["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim


def test_the_readme_names_every_file_of_the_hub():
    files = [p for p in HUB.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    for path in files:
        assert f"`{path.relative_to(HUB)}`" in text("README.md") or path.name == "README.md"


def test_the_install_script_is_sound_bash():
    subprocess.run(["bash", "-n", HUB / "tljh" / "install.sh"], check=True)


# pack.py


def stamp(minutes: float = 0) -> str:
    then = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    return f"{then:%Y-%m-%d %H:%M:%S.%f} UTC"


@pytest.fixture
def inbound(tmp_path):
    folder = tmp_path / "inbound"
    folder.mkdir()
    return folder


def submission(inbound: Path, student: str = ME, when: str | None = None, token: str = "x") -> Path:
    folder = inbound / f"{student}+bleu+{when or stamp()}+{token}"
    folder.mkdir(parents=True)
    (folder / "bleu.ipynb").write_text("work")
    return folder


def packed(inbound: Path, by_folder: bool = False) -> tuple[dict[str, bytes], str]:
    """What the archive has, by path below COURSE/inbound/SUBMISSION, and what was said."""
    said: list[str] = []
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|") as tar:
        count = pack.pack(inbound, tar, "labnotes", by_folder, said.append)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    assert len({name.split("/")[2] for name in members}) == count
    return {name.split("/", 3)[3]: content for name, content in members.items()}, "\n".join(said)


def nbgrader(step: str, config: Config, folder: Path, assignment: str = "bleu") -> None:
    """A step of nbgrader's exchange, as its command does it, in this process."""
    config = Config(config)
    config.CourseDirectory.assignment_id = assignment
    config.Exchange.assignment_dir = str(folder)
    config.Exchange.cache = str(folder / "cache")
    course = CourseDirectory(config=config)
    kind = getattr(exchange, f"Exchange{step}")
    kind(coursedir=course, authenticator=Authenticator(config=config), config=config).start()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An exchange with an assignment in it, a student's home and a teacher's course."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # alembic
    config = Config(CONFIG)
    config.Exchange.root = str(tmp_path / "exchange")
    (tmp_path / "exchange").mkdir()
    teacher = Config(config)
    teacher.CourseDirectory.root = str(tmp_path / "course")
    (tmp_path / "course" / "release" / "bleu").mkdir(parents=True)
    (tmp_path / "course" / "release" / "bleu" / "bleu.ipynb").write_text("task")
    (tmp_path / "home").mkdir()
    nbgrader("ReleaseAssignment", teacher, tmp_path)
    return tmp_path, config, teacher


def test_what_nbgrader_hands_in_comes_home_and_is_collected(hub):
    folder, student, teacher = hub
    nbgrader("FetchAssignment", student, folder / "home")
    (folder / "home" / "bleu" / "bleu.ipynb").write_text("solved")
    nbgrader("Submit", student, folder / "home")

    archive = folder / "inbound.tar"
    program = [sys.executable, HUB / "pack.py", folder / "exchange" / "labnotes" / "inbound"]
    with archive.open("wb") as out:
        done = subprocess.run(program, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == "1 submissions packed\n"

    own = folder / "own"
    own.mkdir()
    subprocess.run(["tar", "-C", own, "-xf", archive], check=True)
    teacher.Exchange.root = str(own)
    nbgrader("Collect", teacher, folder)
    submitted = folder / "course" / "submitted" / ME / "bleu"
    assert (submitted / "bleu.ipynb").read_text() == "solved"
    assert (submitted / "submission_secret.txt").read_text()  # the way back of the feedback


def test_nbgrader_itself_follows_a_link_which_is_why_pack_exists(hub):
    folder, _, teacher = hub
    (folder / "secret").write_text("the teacher's")
    inbound = folder / "exchange" / "labnotes" / "inbound"
    handed_in = submission(inbound)
    (handed_in / "bleu.ipynb").unlink()
    (handed_in / "bleu.ipynb").symlink_to(folder / "secret")
    nbgrader("Collect", teacher, folder)
    collected = folder / "course" / "submitted" / ME / "bleu" / "bleu.ipynb"
    assert collected.read_text() == "the teacher's"

    taken, said = packed(inbound)
    assert taken == {} and "no plain file" in said


def test_links_pipes_and_deep_folders_stay_behind(inbound, tmp_path):
    (tmp_path / "secret").write_text("the teacher's")
    folder = submission(inbound)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "around").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    (folder / "sub").mkdir()
    (folder / "sub" / "data.csv").write_text("1,2")
    deep = folder.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    taken, said = packed(inbound)
    assert set(taken) == {"bleu.ipynb", "sub/data.csv", "timestamp.txt"}
    assert all(f"/{name}'" in said for name in ("link", "around", "pipe", "a/b/c/d/e"))


def test_a_submission_that_is_itself_a_link_stays_behind(inbound, tmp_path):
    elsewhere = submission(tmp_path / "elsewhere")
    (inbound / elsewhere.name).symlink_to(elsewhere)
    taken, said = packed(inbound)
    assert taken == {} and "left out" in said


@pytest.mark.parametrize(
    "name",
    [
        "somebody+bleu+{now}+x",
        "{me}+bleu+{later}+x",
        "{me}+bleu+nonsense+x",
        "{me}+bleu+2026-13-45 00:00:00.000000 UTC+x",
        "{me}+bleu+{now}",
        "{me}++{now}+x",
        "+bleu+{now}+x",
        "notes",
    ],
)
def test_one_bad_folder_stays_behind_and_the_others_come(inbound, name):
    bad = inbound / name.format(me=ME, now=stamp(), later=stamp(60))
    bad.mkdir()
    (bad / "bleu.ipynb").write_text("bad")
    submission(inbound)
    taken, said = packed(inbound)
    assert taken["bleu.ipynb"] == b"work" and len(taken) == 2
    assert "left out" in said and said.count("\n") == 0


def test_too_much_stays_behind(inbound, monkeypatch):
    monkeypatch.setattr(pack, "SIZE", 1000)
    (submission(inbound) / "big").write_text("0" * 1001)
    monkeypatch.setattr(pack, "FILES", 10)
    many = submission(inbound, token="many")
    for i in range(10):
        (many / str(i)).write_text("")
    taken, said = packed(inbound)
    assert taken == {} and said.count("more than 1000 bytes or 10 files") == 2


def test_the_time_in_the_archive_is_the_one_of_the_name_and_later_changes_are_told(inbound):
    when = stamp(-120)
    (submission(inbound, when=when) / "timestamp.txt").write_text("1999-01-01 00:00:00 UTC")
    taken, said = packed(inbound)
    assert taken["timestamp.txt"].decode() == when
    assert "were last changed on" in said


def slug(name: str) -> str:
    """As KubeSpawner 7 makes it of a name that is no plain one (slugs.py, safe_slug)."""
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{plain}---{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def test_in_a_folder_per_student_only_that_students_work_counts(inbound):
    email = "user@email.com"
    assert slug(email) == "user-email-com---0925f997"  # the example of KubeSpawner's manual
    submission(inbound / "alice", "alice")
    submission(inbound / slug(email), email)
    submission(inbound / "alice", "bob")
    submission(inbound / slug(email), "alice", token="y")
    (inbound / "carol").symlink_to(inbound / "alice")
    buffer, said = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w|") as tar:
        assert pack.pack(inbound, tar, "labnotes", True, said.append) == 2
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        students = {m.name.split("/")[2].split("+")[0] for m in tar.getmembers()}
    assert students == {"alice", email}
    assert len(said) == 3


def test_what_is_told_cannot_steer_the_terminal(inbound):
    (inbound / "\x1b[31mred").mkdir()
    _, said = packed(inbound)
    assert "\x1b" not in said and said.isascii()
