"""What a run's record shows, draws and writes."""

import csv
import math

import matplotlib
import pytest

from labnotes import plot
from labnotes.train import History

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def history(epochs=3, per_epoch=4, valid=True):
    steps = [1 / (i + 1) for i in range(epochs * per_epoch)]
    rows = []
    for e in range(epochs):
        mean = sum(steps[e * per_epoch : (e + 1) * per_epoch]) / per_epoch
        row = {"epoch": e + 1, "train_loss": mean, "train_accuracy": 0.1 * e}
        rows.append(row | ({"valid_loss": mean / 2} if valid else {}) | {"seconds": 0.5, "lr": 0.1})
    return History(steps, rows)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_the_csv_file_reads_back_as_the_epochs(tmp_path):
    record = history()
    path = record.to_csv(tmp_path / "run.csv")
    with open(path, newline="") as file:
        rows = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    assert rows == record.epochs  # to the last bit
    assert [p.name for p in tmp_path.iterdir()] == ["run.csv"]


def test_a_csv_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = history(1).to_csv(tmp_path / "run.csv")
    before = path.read_text()

    class FullDisk:
        def __init__(self, *args, **kwargs):
            pass

        def writeheader(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("labnotes.train.history.csv.DictWriter", FullDisk)
    with pytest.raises(OSError, match="No space left"):
        history(2).to_csv(path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.csv"]


def test_the_table_shows_every_epoch():
    table = history().table("A run")
    assert "A run" in repr(table)
    assert len(table._repr_markdown_().strip().splitlines()) == 2 + 2 + 3  # caption, head, rows


def test_last_is_the_last_row():
    assert history().last["epoch"] == 3


def test_the_curves_are_the_epochs_in_the_books_colours():
    record = history()
    ax = record.plot()
    drawn = lines(ax)
    assert list(drawn["train"].get_xdata()) == [1, 2, 3]
    assert list(drawn["train"].get_ydata()) == [row["train_loss"] for row in record.epochs]
    assert list(drawn["valid"].get_ydata()) == [row["valid_loss"] for row in record.epochs]
    assert drawn["train"].get_color() == plot.BLUE and drawn["valid"].get_color() == plot.ORANGE
    assert drawn["train"].get_marker() != drawn["valid"].get_marker()  # not by colour alone
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    plt.close("all")


def test_the_noisy_steps_stay_behind_the_curves_of_the_epochs():
    ax = history(epochs=2).plot()
    steps, epochs = lines(ax)["train, steps"], lines(ax)["train"]
    assert steps.get_color() == plot.BLUE and steps.get_alpha() < 0.5
    assert steps.get_linewidth() < epochs.get_linewidth() and epochs.get_alpha() is None
    assert len(steps.get_xdata()) == 8 and steps.get_xdata()[-1] == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [*lines(ax)]
    assert all(tick == round(tick) for tick in ax.get_xticks())  # there is no epoch 1.5
    plt.close("all")


def test_it_draws_on_the_axes_it_is_given_and_without_validation():
    figure, ax = plt.subplots()
    assert history(valid=False).plot(ax) is ax
    assert "valid" not in lines(ax)
    assert plt.get_fignums() == [figure.number]
    plt.close("all")


@pytest.mark.parametrize(("epochs", "per_epoch"), [(1, 1), (2, 149), (3, 200), (7, 1001)])
def test_many_steps_are_drawn_as_a_few_hundred_means_that_keep_the_mean(epochs, per_epoch):
    record = history(epochs, per_epoch)
    places, means = record._thinned()
    assert len(places) == len(means) <= 300
    assert places[-1] == epochs and places == sorted(places)
    width = math.ceil(len(record.steps) / 300)
    assert places[0] == width / per_epoch  # where the last of the first steps lies
    last = len(record.steps) - width * (len(means) - 1)
    whole = (sum(means[:-1]) * width + means[-1] * last) / len(record.steps)
    assert whole == pytest.approx(sum(record.steps) / len(record.steps))


@pytest.mark.parametrize(
    "use", [lambda h: h.last, lambda h: h.table(), lambda h: h.plot(), lambda h: h.to_csv("x")]
)
def test_a_history_without_an_epoch_says_so(use):
    with pytest.raises(ValueError, match="no whole epoch"):
        use(History())
