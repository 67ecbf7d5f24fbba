"""Linear and softmax regression, perceptron, weight decay, dropout, house prices: d2l's code and ours.

Both sides train the same models on the same data with d2l's recipe of each chapter (plain SGD, its
rates, batches and epochs). Each run is a process of its own; the sides take turns; the medians are
compared. A run is timed from reading the data to the last validation, as in against_d2l.py, whose
clock this takes. The metric of both is computed by the same code, outside the clock.

    python benchmarks/foundations_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from against_d2l import (
    Clock,
    classifier,
    in_a_process,
    in_turns,
    options,
    quiet_d2l,
    trained_by_d2l,
    unpacked_data,
    write,
)
from torch import nn

HERE = Path(__file__).parent
SIDES = ("d2l", "ours")
BATCH, EPOCHS = 256, 10  # of the chapters with Fashion-MNIST


def perceptron(hidden: tuple[int, ...], dropout: float = 0.0) -> nn.Module:
    layers, width = [nn.Flatten()], 784
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 10))


#: Rate 0.1 in all three: chapters 4.5, 5.1 and 5.6.
CLASSIFIERS = {
    "softmax regression": partial(perceptron, ()),
    "perceptron": partial(perceptron, (256,)),
    "dropout": partial(perceptron, (256, 256), 0.5),
}


def ours(model, train, valid, *, epochs: int, rate: float, loss, decay=0.0, fused=False):
    """The same recipe with labnotes.train.fit; `decay` shrinks the weights and not the biases.

    A fused step divides its work among threads. For a few hundred weights that costs more than the
    step, and much more where the threads have to wait for a processor.
    """
    from labnotes.train import fit

    weights = [p for p in model.parameters() if p.dim() > 1]
    biases = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": decay}, {"params": biases}], lr=rate, fused=fused
    )
    fit(model, train, valid, epochs=epochs, optimizer=optimizer, loss=loss, progress=False)
    return model


# Each task: ``task(side, seed, clock) -> metric``; it calls clock.read() when training has ended.


def classify(name: str, epochs: int, side: str, seed: int, clock: Clock) -> tuple[dict, float]:
    from labnotes.data import Batches, fashion_mnist

    if side == "d2l":
        d2l = quiet_d2l()
        data = d2l.FashionMNIST(batch_size=BATCH)
        net = trained_by_d2l(d2l, classifier(d2l, CLASSIFIERS[name](), 0.1), data, epochs)
    else:
        data = fashion_mnist()
        train = Batches(data.train.images, data.train.labels, BATCH, seed=seed)
        test = Batches(data.test.images, data.test.labels, BATCH, shuffle=False)
        net = ours(
            CLASSIFIERS[name](),
            train,
            test,
            epochs=epochs,
            rate=0.1,
            loss=F.cross_entropy,
            fused=True,
        )
    times, test = clock.read(), fashion_mnist().test
    with torch.no_grad():
        found = net.eval()(test.images / 255).argmax(1)
    return times, (found == test.labels).double().mean().item()


def line(side: str, seed: int, clock: Clock) -> tuple[dict, float]:
    """Chapter 3.5: two inputs, 1,000 rows, 3 epochs; the metric is the largest error of a weight."""
    d2l = quiet_d2l()
    truth = torch.tensor([2, -3.4])
    data = d2l.SyntheticRegressionData(w=truth, b=4.2)
    if side == "d2l":
        net = trained_by_d2l(d2l, d2l.LinearRegression(lr=0.03), data, 3)
    else:
        net = linear(data.X, data.y, 1000, 32, epochs=3, rate=0.03, std=0.01, loss=F.mse_loss)
    return clock.read(), (net.weight.detach().flatten() - truth).abs().max().item()


def decay(side: str, seed: int, clock: Clock) -> tuple[dict, float]:
    """Chapter 3.7: 20 rows of 200 inputs, decay 3; the metric is the loss on 100 other rows.

    Both sides ask for first weights of deviation 0.01. d2l's lazy layer draws its own when the first
    batch comes, so that the losses differ by more than the recipe.
    """
    d2l = quiet_d2l()
    x = torch.randn(120, 200)
    y = x @ torch.full((200, 1), 0.01) + 0.05 + 0.01 * torch.randn(120, 1)
    if side == "d2l":

        class Data(d2l.DataModule):
            def __init__(self, batch_size):
                self.save_hyperparameters()

            def get_dataloader(self, train):
                part = slice(0, 20) if train else slice(20, None)
                return self.get_tensorloader((x, y), train, part)

        class WeightDecay(d2l.LinearRegression):
            def configure_optimizers(self):
                weight, bias = self.net.weight, self.net.bias
                groups = [{"params": weight, "weight_decay": 3.0}, {"params": bias}]
                return torch.optim.SGD(groups, lr=self.lr)

        net = trained_by_d2l(d2l, WeightDecay(lr=0.01), Data(5), 10)
    else:
        net = linear(x, y, 20, 5, epochs=10, rate=0.01, std=0.01, loss=F.mse_loss, decay=3.0)
    times = clock.read()
    with torch.no_grad():
        return times, F.mse_loss(net(x[20:]), y[20:]).item()


def linear(x, y, rows: int, batch_size: int, *, std: float, **recipe) -> nn.Module:
    from labnotes.data import minibatches

    net = nn.Linear(x.shape[1], 1)
    nn.init.normal_(net.weight, 0, std)
    nn.init.zeros_(net.bias)
    train = minibatches(x[:rows], y[:rows], batch_size=batch_size)
    valid = minibatches(x[rows:], y[rows:], batch_size=batch_size, shuffle=False)
    return ours(net, train, valid, **recipe)


def houses(side: str, seed: int, clock: Clock) -> tuple[dict, float]:
    """Chapter 5.7: the linear model on 5 folds, rate 0.01, 10 epochs; the mean of their log-RMSE."""
    from labnotes.data import house_prices

    x, y = house_table(house_prices())
    parts = [np.arange(i, len(x), 5) for i in range(5)]
    nets = []
    for part in parts:
        held = torch.zeros(len(x), dtype=torch.bool)
        held[part] = True
        if side == "d2l":
            nets.append(fold_by_d2l(x, y, held))
        else:
            fold = torch.cat([x[~held], x[held]]), torch.cat([y[~held], y[held]])
            nets.append(
                linear(*fold, int((~held).sum()), 64, epochs=10, rate=0.01, std=0.01,
                       loss=F.mse_loss)
            )  # fmt: skip
    times = clock.read()
    with torch.no_grad():
        errors = [F.mse_loss(net(x[p]), y[p]).sqrt().item() for net, p in zip(nets, parts)]
    return times, statistics.mean(errors)


def fold_by_d2l(x, y, held) -> nn.Module:
    d2l = quiet_d2l()

    class Fold(d2l.DataModule):
        def __init__(self, batch_size):
            self.save_hyperparameters()

        def get_dataloader(self, train):
            rows = ~held if train else held
            return self.get_tensorloader((x[rows], y[rows]), train)

    return trained_by_d2l(d2l, d2l.LinearRegression(lr=0.01), Fold(64), 10)


def house_table(data) -> tuple[torch.Tensor, torch.Tensor]:
    """d2l's preprocessing: standardized numbers, 0 for missing, one column a word; the log price."""
    import pandas as pd

    table = pd.DataFrame(dict(data.train)).drop(columns=["Id", "SalePrice"])
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].apply(lambda c: (c - c.mean()) / c.std()).fillna(0)
    table = pd.get_dummies(table, dummy_na=True).astype("float32")
    price = torch.log(torch.tensor(data.train["SalePrice"], dtype=torch.float32))
    return torch.tensor(table.values), price[:, None]


def tasks(epochs: int) -> dict[str, tuple[Callable, str]]:
    of_images = {name: (partial(classify, name, epochs), "test accuracy") for name in CLASSIFIERS}
    return of_images | {
        "linear regression": (line, "largest error of a weight"),
        "weight decay": (decay, "loss on fresh rows"),
        "house prices": (houses, "mean log-RMSE of five folds"),
    }


def one_run(name: str, side: str, seed: int, epochs: int, folder: Path) -> dict:
    import torch._dynamo  # noqa: F401  torch's optimizers import it (over a second) when first made

    os.chdir(folder / "run")  # d2l reads ../data
    quiet_d2l()  # what both sides import is outside the clock
    for module in ("train.fit", "data.batches", "data.rows", "data.tables", "data.vision"):
        importlib.import_module(f"labnotes.{module}")
    clock = Clock()
    torch.manual_seed(seed)
    times, metric = tasks(epochs)[name][0](side, seed, clock)
    return times | {"metric": metric}


def compare(name: str, repeats: int, epochs: int, folder: Path) -> dict:
    found = in_turns(
        name, SIDES, repeats,
        lambda side, seed: in_a_process(__file__, name, side, seed, epochs, folder),
    )  # fmt: skip
    return {"task": name, "metric": tasks(epochs)[name][1], "epochs with images": epochs} | found


def show(result: dict) -> None:
    slow, fast = (result["medians"][side] for side in SIDES)
    print(
        f"{result['task']:20} d2l {slow['cpu_seconds']:7.2f}, ours {fast['cpu_seconds']:7.2f} CPU s: "
        f"{slow['cpu_seconds'] / fast['cpu_seconds']:5.1f} x ({slow['seconds'] / fast['seconds']:.1f} x "
        f"by the clock); {result['metric']}: d2l {slow['metric']:.4f}, ours {fast['metric']:.4f}"
    )


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        name, side, seed, epochs, folder = sys.argv[2:]
        print(json.dumps(one_run(name, side, int(seed), int(epochs), Path(folder))))
        return
    parser = options(__doc__)
    parser.add_argument("--tasks", nargs="*", choices=tasks(1), default=list(tasks(1)))
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the tasks with images")
    chosen = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        unpacked_data(Path(scratch))
        for name in chosen.tasks:
            results.append(compare(name, chosen.repeats, chosen.epochs, Path(scratch)))
            show(results[-1])
    if chosen.save:
        save(results)


def save(results: list[dict]) -> None:
    """Write the results; of tasks that did not run now, those that stand there stay."""
    path = HERE / "results" / "foundations_against_d2l.json"
    before = json.loads(path.read_text("utf8")) if path.exists() else []
    found = {result["task"]: result for result in before + results}
    write(path.stem, [found[name] for name in tasks(1) if name in found])


if __name__ == "__main__":
    main()
