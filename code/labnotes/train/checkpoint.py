"""Save a training run so that it can be killed at any moment and go on as if it had not been.

A checkpoint is one file, written under another name and renamed when it is safely on the disk; the
one before it is kept as ``<name>.prev``. The file is what ``torch.save`` writes, followed by its
SHA-256, so that a file cut short or altered is told from a good one before anything is loaded.
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

#: Least time between two checkpoints within an epoch.
SECONDS = 30.0

_MARK = b"labnotes checkpoint 1\n"  # between torch's bytes and their SHA-256
_TAIL = len(_MARK) + hashlib.sha256().digest_size


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read, or continued with these settings."""


def runs_folder() -> Path:
    """Where checkpoints lie: ``LABNOTES_RUNS``, else Google Drive where Colab has mounted it, else
    the folder ``runs`` here."""
    if folder := os.environ.get("LABNOTES_RUNS"):
        return Path(folder).expanduser()
    drive = Path("/content/drive/MyDrive")
    return drive / "labnotes-runs" if drive.is_dir() else Path("runs")


class Checkpoint:
    """The saved state of one run.

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
        If the folder cannot be written to.
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
        if distributed.rank() > 0:  # process 0 reads and writes the files
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._beside(".tmp").write_bytes(b"")
            self._beside(".tmp").unlink()
        except OSError as error:
            raise CheckpointError(
                f"no checkpoint can be written in {self.path.parent} ({error.strerror or error}): "
                "point LABNOTES_RUNS to a folder that you may write to"
            ) from error

    def resume(self) -> None:
        """Load the newest whole checkpoint into the parts, if there is one.

        Raises
        ------
        CheckpointError
            If there are checkpoints and none is whole, or if it has other settings.
        """
        state = None
        if distributed.rank() == 0 and (state := self._newest()):
            self._compare(state["settings"])
        state = distributed.of_process_0(state)
        if state is None:
            return
        for name, part in self.parts.items():
            if state["parts"][name]:  # a gradient scaler that is off has an empty state
                part.load_state_dict(state["parts"][name])
        self._random = state["random"][distributed.rank()]

    def restore_random(self) -> None:
        """Put the random generators where they were when the loaded checkpoint was saved."""
        _set_random_states(self._random)

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
            "random": distributed.of_all(_random_states()),  # each process has its own
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
    body, tail = content[:-_TAIL], content[-_TAIL:]
    if tail != _MARK + hashlib.sha256(body).digest():
        raise CheckpointError(
            f"The checkpoint {path} is damaged: its {len(content):,} bytes do not end "
            "with their own SHA-256."
        )
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
        sink = _Hashing(file)
        try:
            torch.save(state, sink)
        except RuntimeError:
            if sink.error is None:
                raise
            raise sink.error from None  # torch hides what the disk said
        file.write(_MARK + sink.sha.digest())
        file.flush()
        os.fsync(file.fileno())


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


def _random_states() -> dict:
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


def _set_random_states(states: dict) -> None:
    import numpy as np

    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype("uint32"), *rest))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states.get("cuda", ())) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
