"""Save a training run so that it can be killed at any moment and go on as if it had not been.

A checkpoint is one file, written under another name and renamed when it is safely on the disk; the
one before it is kept as ``<name>.prev``. It begins with a line that tells its format and the
SHA-256 of the rest, which is what ``torch.save`` writes: a file cut short or altered is told from a
good one, and a file of another format from a damaged one, before anything is loaded. While a run
goes on, ``<name>.lock`` keeps other processes from it.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import re
import time
import warnings
from pathlib import Path

import torch

from labnotes.train import distributed
from labnotes.train.lock import Lock, Locked

#: Least time between two checkpoints within an epoch.
SECONDS = 30.0

#: The number that the first line of a file tells: another one, another way to read it.
FORMAT = 2
_FIRST_LINE = re.compile(rb"labnotes checkpoint (\d+) sha256 ([0-9a-f]{64})\n")
_LENGTH = len(b"labnotes checkpoint 2 sha256 \n") + 64


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read, or continued with these settings."""


class OtherFormat(CheckpointError):
    """A checkpoint that another version has written; nothing is wrong with it."""


def runs_folder() -> Path:
    """Where checkpoints lie: ``LABNOTES_RUNS``, else Google Drive where Colab has mounted it, else
    the folder ``runs`` here."""
    if folder := os.environ.get("LABNOTES_RUNS"):
        return Path(folder).expanduser()
    drive = Path("/content/drive/MyDrive")
    return drive / "labnotes-runs" if drive.is_dir() else Path("runs")


class Checkpoint:
    """The saved state of one run, for :func:`labnotes.train.fit` and for loops of your own.

    Build all parts, call :meth:`resume`, go on from where they are, and :meth:`save` at each
    epoch's end and whenever it is :meth:`due`. The example in :mod:`labnotes.train` does that.
    Until :meth:`close`, or the end of a ``with`` block, no other process can use the name.

    Parameters
    ----------
    name
        The file's name in :func:`runs_folder`, without an ending; or a path, the file itself.
    settings
        What must be the same when the run goes on: names and plain values.
    parts
        What is saved: names and objects with ``state_dict`` and ``load_state_dict``.

    Raises
    ------
    CheckpointError
        If the folder cannot be written to, `name` is the path of a folder, or another process
        uses it.
    ValueError
        If `name` is not a plain file name.
    """

    def __init__(self, name: str | Path, settings: dict, parts: dict):
        if isinstance(name, Path):
            self.path = name
        elif isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name):
            self.path = runs_folder() / f"{name}.pt"
        else:
            raise ValueError(f"checkpoint is {name!r}: give a name of letters, digits, . _ and -")
        self.settings, self.parts = settings, parts
        self._random: dict | None = None
        self._saved = time.monotonic()
        self._asked = 0  # how often somebody wanted to know whether one is due
        self._proved = False  # whether a file of this run has been read back
        self._lock: Lock | None = None
        if distributed.rank() > 0:  # process 0 reads and writes the files
            return
        if self.path.is_dir():
            raise CheckpointError(
                f"{self.path} is a folder: give the path of a file in it, such as "
                f"{self.path / 'checkpoint.pt'}"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self._beside(".lock"))
            self._beside(".tmp").write_bytes(b"")
            self._beside(".tmp").unlink()
        except Locked as error:
            raise CheckpointError(
                f"another process (number {error}) trains with the checkpoint {self.path}: wait for "
                "it or end it, or give this run another checkpoint name"
            ) from None
        except OSError as error:
            self.close()
            raise CheckpointError(
                f"no checkpoint can be written in {self.path.parent} ({error.strerror or error}): "
                "point LABNOTES_RUNS to a folder that you may write to"
            ) from error

    def resume(self) -> None:
        """Load the newest whole checkpoint into the parts, if there is one.

        Raises
        ------
        CheckpointError
            If there are checkpoints and none is whole, or if it has other settings or parts.
        """
        state = None
        if distributed.rank() == 0 and (state := self._newest()):
            self._compare(state["settings"])
        state = distributed.of_process_0(state)
        if state is None:
            return
        self._check_parts(state["parts"])
        for name, part in self.parts.items():
            if state["parts"][name]:  # a gradient scaler that is off has an empty state
                part.load_state_dict(state["parts"][name])
        self._random = state["random"][distributed.rank()]

    def close(self) -> None:
        """Let other processes use the name. Does nothing the second time."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *problem) -> None:
        self.close()

    def restore_random(self) -> None:
        """Put the random generators where they were when the loaded checkpoint was saved.

        Raises
        ------
        ValueError
            If none was loaded.
        """
        if self._random is None:
            raise ValueError("no checkpoint has been loaded: call resume() first")
        set_random_states(self._random)

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another one.

        Several processes follow the clock of process 0, and look at it every 10th time.
        """
        self._asked += 1
        if distributed.processes() > 1 and self._asked % 10:
            return False
        return distributed.of_process_0(time.monotonic() - self._saved >= SECONDS)

    def save(self) -> None:
        """Save all parts and the random states, as they are between two steps.

        Raises
        ------
        CheckpointError
            If it cannot be written. The checkpoint before it is then as it was.
        """
        state = {
            "settings": self.settings,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "random": distributed.of_all(random_states()),  # each process has its own
        }
        if distributed.rank() > 0:
            return
        new = self._beside(".tmp")
        try:
            _write(new, state)
            if not self._proved:
                read(new)
                self._proved = True
            if self.path.exists():
                os.replace(self.path, self._beside(".prev"))
            os.replace(new, self.path)
            _sync_folder(self.path.parent)
        except CheckpointError:
            new.unlink()
            raise
        except OSError as error:
            new.unlink(missing_ok=True)
            raise CheckpointError(
                f"the checkpoint {self.path} could not be written ({error.strerror or error}); the one "
                "before it is untouched. Make room, or point LABNOTES_RUNS to another folder"
            ) from error
        self._saved = time.monotonic()

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _newest(self) -> dict | None:
        """The state in the newest whole file; None where no run was ever saved."""
        problems = []
        for path in (self.path, self._beside(".prev")):
            if not path.exists():
                continue
            try:
                state = read(path)
            except OtherFormat:
                raise  # and touch nothing
            except CheckpointError as error:
                problems.append((path, error))
                continue
            for bad, problem in problems:
                # Out of the way: the next save must not put it in the good one's place.
                os.replace(bad, bad.with_name(bad.name + ".bad"))
                warnings.warn(f"{problem} The checkpoint before it is used.", stacklevel=4)
            return state
        if problems:
            raise CheckpointError(
                " ".join(str(problem) for _, problem in problems)
                + " No whole checkpoint is left: delete these files to train from the start, "
                "or bring back a copy of one."
            )
        return None

    def _check_parts(self, saved: dict) -> None:
        missing, extra = self.parts.keys() - saved.keys(), saved.keys() - self.parts.keys()
        if missing or extra:
            raise CheckpointError(
                f"the run saved in {self.path} has the parts {', '.join(saved)}"
                + (f"; it lacks {', '.join(sorted(missing))}" if missing else "")
                + (f"; {', '.join(sorted(extra))} has no place to go" if extra else "")
                + ". Give the same parts, or give this run another checkpoint name"
            )

    def _compare(self, saved: dict) -> None:
        differences = [
            f"{name}: saved {_shown(saved.get(name), self.settings.get(name))}, "
            f"now {_shown(self.settings.get(name), saved.get(name))}"
            for name in {**saved, **self.settings}
            if saved.get(name) != self.settings.get(name)
        ]
        if differences:
            raise CheckpointError(
                f"the run saved in {self.path} has other settings. "
                + "; ".join(differences)
                + ". Use the saved ones to go on with it, or give this run another checkpoint name"
            )


def read(path: str | os.PathLike) -> dict:
    """The state that a checkpoint holds, on the CPU; ``["parts"]["model"]`` are the weights.

    Raises
    ------
    CheckpointError
        If the file is not whole, or holds more than tensors and plain values.
    """
    content = Path(path).read_bytes()
    head, body = content[:_LENGTH], content[_LENGTH:]
    told = _FIRST_LINE.fullmatch(head)
    if told and int(told[1]) == FORMAT:
        if hashlib.sha256(body).hexdigest() == told[2].decode():
            return _loaded(path, body)
    else:
        _refuse_other_formats(path, content)
    raise CheckpointError(
        f"The checkpoint {path} is damaged: its {len(content):,} bytes do not begin with a "
        "checkpoint's first line and the SHA-256 of the rest."
    )


def _refuse_other_formats(path, content: bytes) -> None:
    """An error if this is no checkpoint of the present format, but a whole file of another kind."""
    told = re.match(rb"labnotes checkpoint (\d+) ", content)
    if told and int(told[1]) != FORMAT:
        number = int(told[1])
    elif re.search(rb"labnotes checkpoint 1\n.{32}\Z", content[-64:], re.DOTALL):
        number = 1  # which stood at the end
    else:
        if content.startswith(b"PK"):
            raise OtherFormat(
                f"The file {path} is no checkpoint of labnotes, though torch may have written it; it "
                "is left as it is. Give another checkpoint name."
            )
        return
    raise OtherFormat(
        f"The checkpoint {path} has the format {number} and this version of labnotes reads format "
        f"{FORMAT}; it is left as it is. Go on with the version that wrote it, or give this run "
        "another checkpoint name."
    )


def _loaded(path, body: bytes) -> dict:
    try:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text would advise to load it all the same: that runs whatever code it holds.
        raise CheckpointError(
            f"The checkpoint {path} holds more than tensors and plain values, so it is not loaded."
        ) from error


class _Hashing:
    """A file to write to that keeps the SHA-256 of what it was given, and the error it met."""

    def __init__(self, file):
        self.file, self.sha, self.error = file, hashlib.sha256(), None

    def write(self, content) -> int:
        self.sha.update(content)
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _write(path: Path, state: dict) -> None:
    """Write `state` and wait until the disk has it. Raises OSError."""
    with open(path, "wb") as file:
        file.write(_first_line(b""))  # a place for it
        sink = _Hashing(file)
        try:
            torch.save(state, sink)
        except RuntimeError:
            if sink.error is None:
                raise
            raise sink.error from None  # torch hides what the disk said
        file.seek(0)
        file.write(_first_line(sink.sha.hexdigest().encode()))
        file.flush()
        os.fsync(file.fileno())


def _first_line(sha: bytes) -> bytes:
    return b"labnotes checkpoint %d sha256 %s\n" % (FORMAT, sha.rjust(64, b"0"))


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the file system can promise that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, and some network drives: the rename is done all the same
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _shown(value, other) -> str:
    """`value` in words; of a text of many lines, the first line that `other` has not."""
    if isinstance(value, str) and isinstance(other, str) and "\n" in value:
        for mine, theirs in zip(value.split("\n"), [*other.split("\n"), *[""] * len(value)]):
            if mine != theirs:
                return f"{mine.strip()!r}"
        return "fewer lines"
    return repr(value)


def random_states() -> dict:
    """Where the random generators of Python, NumPy and torch are, as plain values and tensors."""
    import numpy as np

    name, keys, *rest = np.random.get_state()
    states = {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(keys.astype("int64")), *rest],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def set_random_states(states: dict) -> None:
    """Put the generators where :func:`random_states` has found them."""
    import numpy as np

    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype("uint32"), *rest))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states.get("cuda", ())) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
