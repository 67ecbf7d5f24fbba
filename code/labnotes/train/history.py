"""What a training run measured: every step's loss, and one row for each epoch."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

from labnotes.files import replacing


@dataclass
class History:
    """The record that :func:`labnotes.train.fit` returns.

    Attributes
    ----------
    steps
        The training loss of each step, in order.
    epochs
        One dict for each epoch: ``epoch`` (from 1), ``train_loss``, ``train_<metric>``,
        ``valid_loss``, ``valid_<metric>`` (where there is a validation set), ``seconds``
        (training and validation together) and ``lr`` (of the epoch's last step). Training values
        are means over the epoch, while the weights moved; validation is measured at its end.
    stopped
        Whether ``on_epoch`` has ended the run, before the last of the epochs asked for.

    Examples
    --------
    >>> history = History(steps=[1.0, 0.5], epochs=[{"epoch": 1, "train_loss": 0.75}])
    >>> history.last["train_loss"]
    0.75
    """

    steps: list[float] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)
    stopped: bool = False

    @property
    def last(self) -> dict:
        """The row of the last epoch."""
        self._need_an_epoch()
        return self.epochs[-1]

    def table(self, caption: str | None = None):
        """The epochs as a table that a notebook shows."""
        from labnotes.show import table

        self._need_an_epoch()
        return table(self.epochs, caption)

    def plot(self, ax=None):
        """Draw the loss: every step's (in a few hundred means), and each epoch's.

        Parameters
        ----------
        ax
            Matplotlib axes to draw on; a new figure's by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt

        from labnotes import plot as look

        self._need_an_epoch()
        if ax is None:
            ax = plt.subplots()[1]
        places, means = self._thinned()
        ax.plot(places, means, color=look.BLUE, alpha=0.35, linewidth=1, label="train, steps")
        numbers = [row["epoch"] for row in self.epochs]
        for part, color, marker in (("train", look.BLUE, "o"), ("valid", look.ORANGE, "s")):
            if f"{part}_loss" in self.last:
                losses = [row[f"{part}_loss"] for row in self.epochs]
                ax.plot(numbers, losses, color=color, marker=marker, markersize=4, label=part)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
        return ax

    def _thinned(self, points: int = 300) -> tuple[list[float], list[float]]:
        """At most `points` means of neighbouring steps, and where they lie in epochs."""
        width = -(-len(self.steps) // points)
        per_epoch = len(self.steps) / len(self.epochs)
        chunks = [self.steps[i : i + width] for i in range(0, len(self.steps), width)]
        ends = [min((i + 1) * width, len(self.steps)) / per_epoch for i in range(len(chunks))]
        return ends, [sum(chunk) / len(chunk) for chunk in chunks]

    def to_csv(self, path: str | os.PathLike) -> Path:
        """Write the epochs to a CSV file, whole or not at all.

        Returns
        -------
        pathlib.Path
            The file. It is written under another name and renamed, so that a reader of `path`
            never sees a half of it.
        """
        self._need_an_epoch()
        with replacing(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.last))
            writer.writeheader()
            writer.writerows(self.epochs)
        return Path(path)

    def state_dict(self) -> dict:
        return {"steps": self.steps, "epochs": self.epochs, "stopped": self.stopped}

    def load_state_dict(self, state: dict) -> None:
        self.steps, self.epochs, self.stopped = state["steps"], state["epochs"], state["stopped"]

    def _need_an_epoch(self) -> None:
        if not self.epochs:
            raise ValueError("the history holds no whole epoch yet")
