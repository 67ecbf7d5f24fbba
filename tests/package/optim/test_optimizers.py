"""Each optimizer against torch's of the same name, step for step."""

import copy
import inspect
import pickle
import time
from functools import partial

import pytest
import torch
from torch import nn

from labnotes import optim
from labnotes.show import source
from labnotes.train import fit

NAMES = ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"]
#: Every option of every optimizer, alone and together.
OPTIONS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.3}),
    ("SGD", {"lr": 0.03, "momentum": 0.9}),
    ("SGD", {"lr": 0.03, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.03, "momentum": 0.5, "dampening": 0.5, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.3}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.03, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.2}),
    ("RMSprop", {"momentum": 0.9, "maximize": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "alpha": 0.9}),
    ("Adam", {}),
    ("Adam", {"lr": 0.03, "betas": (0.5, 0.9), "eps": 1e-2}),
    ("Adam", {"lr": 0.03, "betas": (0.0, 0.99), "weight_decay": 0.3}),
    ("Adam", {"lr": 0.03, "betas": (0.9, 0.5), "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.5, "amsgrad": True, "betas": (0.8, 0.9)}),
    ("AdamW", {"lr": 0.03, "maximize": True}),
]
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12}


def tensors(dtype, seed=0):
    """A matrix, a vector, a number, an image's worth, and one that never has a gradient."""
    draw = torch.Generator().manual_seed(seed)
    shapes = [(4, 3), (5,), (), (2, 1, 3, 3), (2,)]
    return [torch.randn(s, generator=draw, dtype=dtype).requires_grad_() for s in shapes]


def pair(name, options, dtype):
    """Ours and torch's, each with two groups; in the second the rate is another one."""
    made = []
    for kind in (getattr(optim, name), getattr(torch.optim, name)):
        params = tensors(dtype)
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.02}]
        theirs = {"foreach": False} if kind.__module__.startswith("torch") else {}
        made.append((kind(groups, **options, **theirs), params))
    return made


def give_gradients(sides, draw, t):
    """The same random gradients to both; now and then none, or one far larger than the others."""
    for number, both in enumerate(zip(*sides)):
        g = torch.randn(both[0].shape, generator=draw, dtype=both[0].dtype)
        g = g * (100 if (t + number) % 37 == 0 else 0.1 if number == 1 else 1)
        absent = number == 4 or (t + 2 * number) % 11 == 0
        for p in both:
            p.grad = None if absent else g.clone()


def difference(ours, theirs):
    return max((a - b).abs().max().item() for a, b in zip(ours, theirs))


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_200_random_steps_are_those_of_torch(name, options, dtype):
    (ours, p), (theirs, q) = pair(name, options, dtype)
    start, draw = [x.detach().clone() for x in p], torch.Generator().manual_seed(1)
    for t in range(200):
        give_gradients((p, q), draw, t)
        if t in (50, 120):  # another learning rate from here on
            for optimizer in (ours, theirs):
                optimizer.param_groups[t // 100]["lr"] *= 0.3
        ours.step()
        theirs.step()
        scale = max(1, max(x.abs().max().item() for x in q))
        assert difference(p, q) <= CLOSE[dtype] * scale, t
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(p[:4], start))  # they did move
    assert torch.equal(p[4], start[4])


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_without_bias_correction_adam_is_torchs_with_rate_and_eps_that_undo_it(name, decay):
    p, q = tensors(torch.float64), tensors(torch.float64)
    lr, betas, eps = 0.01, (0.9, 0.99), 1e-3
    ours = getattr(optim, name)(p, lr, betas, eps, decay, bias_correction=False)
    theirs = torch.optim.Adam(q, lr, betas, eps, decay if name == "Adam" else 0, foreach=False)
    draw = torch.Generator().manual_seed(2)
    for t in range(1, 201):
        for x, y in zip(p, q):
            x.grad = torch.randn(x.shape, generator=draw, dtype=x.dtype)
            y.grad = x.grad.clone()
        root = (1 - betas[1] ** t) ** 0.5
        theirs.param_groups[0].update(lr=lr * (1 - betas[0] ** t) / root, eps=eps / root)
        if name == "AdamW":
            with torch.no_grad():
                for x in q:
                    x.mul_(1 - lr * decay)
        ours.step()
        theirs.step()
        assert difference(p, q) < 1e-11
    assert difference(p, tensors(torch.float64)) > 0.1


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_a_saved_state_goes_over_to_torch_and_back(name, options):
    (ours, p), (theirs, q) = pair(name, options, torch.float64)
    draw = torch.Generator().manual_seed(3)
    for t in range(30):
        give_gradients((p, q), draw, t)
        ours.step()
        theirs.step()
    of_ours, of_theirs = ours.state_dict(), theirs.state_dict()
    assert {k: set(v) for k, v in of_ours["state"].items()} == {
        k: set(v) for k, v in of_theirs["state"].items()
    }
    for number, kept in of_theirs["state"].items():
        for what, value in kept.items():  # as torch keeps it, the number of steps included
            torch.testing.assert_close(of_ours["state"][number][what], value)
    # Each goes on with what the other has saved, in an optimizer that was made with defaults.
    (ours, _), (theirs, _) = (
        (type(o)([{"params": x[:2]}, {"params": x[2:]}]), x) for o, x in ((ours, p), (theirs, q))
    )
    ours.load_state_dict(copy.deepcopy(of_theirs))
    theirs.load_state_dict(copy.deepcopy(of_ours))
    for t in range(30, 60):
        give_gradients((p, q), draw, t)
        ours.step()
        theirs.step()
    assert difference(p, q) < 1e-11 * max(1, max(x.abs().max().item() for x in q))


def test_decay_stays_decoupled_when_adamw_takes_up_a_state_of_adam():
    p = torch.ones(3, requires_grad=True)
    optimizer = optim.AdamW([p])
    optimizer.load_state_dict(optim.Adam([p], weight_decay=0.1).state_dict())
    p.grad = torch.zeros(3)
    optimizer.step()
    assert torch.allclose(p, torch.full((3,), 1 - 1e-3 * 0.1))


@pytest.mark.parametrize("name", NAMES)
def test_the_closure_is_called_with_gradients_and_its_loss_given_back(name):
    p = torch.tensor([3.0], requires_grad=True)
    optimizer = getattr(optim, name)([p])

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 9
    assert p.item() < 3 and p.requires_grad
    assert optimizer.step() is None


@pytest.mark.parametrize("name", NAMES)
def test_the_closure_records_gradients_where_nothing_else_does_as_torchs(name):
    ends = []
    for kind in (getattr(optim, name), getattr(torch.optim, name)):
        p = torch.tensor([3.0], requires_grad=True)
        optimizer = kind([p], lr=0.1)

        def closure(p=p, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (p**2).sum()
            loss.backward()
            return loss

        with torch.no_grad():
            assert optimizer.step(closure) == 9
        ends.append(p.item())
    assert ends[0] == pytest.approx(ends[1]) and ends[0] < 3


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1}])
@pytest.mark.parametrize(("name", "options"), [*((n, {}) for n in NAMES), ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True})], ids=str)  # fmt: skip
def test_a_step_leaves_gradients_as_they_are(name, options, more, maximize):
    p = torch.ones(3, requires_grad=True)
    optimizer = getattr(optim, name)([p], maximize=maximize, **options, **more)
    p.grad = kept = torch.tensor([1.0, -2.0, 0.5])
    for _ in range(3):  # the same tensor: a memory that shares it would change it
        optimizer.step()
        assert p.grad is kept and kept.tolist() == [1.0, -2.0, 0.5]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_gradients_that_are_filled_anew_in_place_are_not_remembered_by_reference(name, options):
    """As with ``zero_grad(set_to_none=False)``: the tensor of the gradient stays the same one."""
    (ours, p), (theirs, q) = pair(name, options, torch.float64)
    draw = torch.Generator().manual_seed(4)
    for x in (*p, *q):
        x.grad = torch.zeros_like(x)
    for _ in range(10):
        for x, y in zip(p, q):
            x.grad.copy_(torch.randn(x.shape, generator=draw, dtype=x.dtype))
            y.grad.copy_(x.grad)
        ours.step()
        theirs.step()
    assert difference(p, q) < 1e-12 * max(1, max(x.abs().max().item() for x in q))


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_and_a_pickled_optimizer_go_on_with_the_same_numbers(name):
    p = torch.ones(3, requires_grad=True)
    kept = getattr(optim, name)([p], lr=0.1)
    p.grad = torch.tensor([1.0, -2.0, 0.5])
    kept.step()
    for other in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        (q,) = other.param_groups[0]["params"]
        q.grad = torch.tensor([1.0, -2.0, 0.5])
        other.step()
        again = copy.deepcopy(kept)
        again.param_groups[0]["params"][0].grad = q.grad
        again.step()
        assert torch.equal(q, again.param_groups[0]["params"][0]) and not torch.equal(q, p)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_that_is_added_later_is_trained_too(name):
    p, q = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = getattr(optim, name)([p], lr=0.1)
    optimizer.add_param_group({"params": [q]})
    q.grad = torch.ones(2)
    optimizer.step()
    assert torch.all(q < 1) and torch.equal(p, torch.ones(2))


def test_a_group_that_is_added_later_begins_with_the_same_sum():
    p, q = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = optim.Adagrad([p], lr=0.1, initial_accumulator_value=0.5)
    optimizer.add_param_group({"params": [q]})
    p.grad, q.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    assert q.tolist() == p.tolist() == pytest.approx([1 - 0.1 / 1.5**0.5] * 2)


def test_torchs_schedulers_drive_them():
    p = torch.zeros(1, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(3):
        p.grad = torch.ones(1)
        optimizer.step()
        schedule.step()
    assert p.item() == -1.75


def test_the_books_loop_goes_on_from_a_checkpoint_with_them(tmp_path):
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    batches = [(x[i : i + 10], (x[i : i + 10].sum(1) > 0).long()) for i in range(0, 40, 10)]

    def losses(kind, epochs, **more):
        torch.manual_seed(0)
        made = partial(kind, lr=0.05, weight_decay=0.1)
        more |= {"optimizer": made, "progress": False}
        return fit(nn.Linear(3, 2), batches, epochs=epochs, **more).steps

    whole = losses(torch.optim.AdamW, 4)
    assert losses(optim.AdamW, 4) == pytest.approx(whole, abs=1e-6)
    losses(optim.AdamW, 2, checkpoint=tmp_path / "run.pt")
    assert losses(optim.AdamW, 4, checkpoint=tmp_path / "run.pt") == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_stand_in_torchs_order_with_torchs_defaults(name):
    ours = inspect.signature(getattr(optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    positional = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]
    shared = [n for n in ours if n != "bias_correction"]
    assert [ours[n].default for n in shared] == [theirs[n].default for n in shared]


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_a_class_has_at_most_25_lines(name):
    assert len(source(getattr(optim, name)).code.splitlines()) <= 25


BAD = [(name, {number: -0.1}, number) for name, numbers in {
    "SGD": ["lr", "momentum", "weight_decay"],
    "Adagrad": ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"],
    "RMSprop": ["lr", "alpha", "eps", "weight_decay", "momentum"],
    "Adam": ["lr", "eps", "weight_decay"],
    "AdamW": ["lr", "eps", "weight_decay"],
}.items() for number in numbers]  # fmt: skip
BAD += [
    ("SGD", {"nesterov": True}, "nesterov"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening 0.1"),
    ("Adam", {"betas": (1.0, 0.9)}, "betas"),
    ("Adam", {"betas": (0.9, -0.1)}, "betas"),
    ("AdamW", {"betas": (0.9, 1.0)}, "betas"),
]


@pytest.mark.parametrize(("name", "options", "said"), BAD, ids=str)
def test_what_torch_refuses_is_refused_by_name(name, options, said):
    with pytest.raises(ValueError):
        getattr(torch.optim, name)([torch.zeros(1)], **options)
    with pytest.raises(ValueError, match=said) as caught:
        getattr(optim, name)([torch.zeros(1)], **options)
    assert any(word in str(caught.value) for word in ("give", "needs"))


@pytest.mark.parametrize("name", NAMES)
def test_nan_and_what_is_no_parameter_are_refused(name):
    kind = getattr(optim, name)
    with pytest.raises(ValueError, match="lr is nan"):
        kind([torch.zeros(1)], lr=float("nan"))
    for no_number in ("0.1", None, [0.1], torch.tensor([0.1, 0.2])):
        with pytest.raises(ValueError, match="lr is .*: give a number of 0 or more"):
            kind([torch.zeros(1)], lr=no_number)
    with pytest.raises(ValueError, match="empty"):
        kind([])
    with pytest.raises(TypeError):
        kind([1.0])
    two = torch.tensor([0.9, 0.9])
    for betas in ((0.9,), 0.9, "ab", ("0.9", "0.99"), (0.9, float("nan")), (0.9, two)):
        with pytest.raises(ValueError, match="betas is .*: give two numbers"):
            optim.Adam([torch.zeros(1)], betas=betas)
    for dampening in ("0.1", None, float("nan"), two):
        with pytest.raises(ValueError, match="dampening is .*: give a number"):
            optim.SGD([torch.zeros(1)], momentum=0.9, dampening=dampening)


@pytest.mark.parametrize("name", NAMES)
def test_a_sparse_or_complex_gradient_is_refused_before_anything_has_moved(name):
    table, first = nn.Embedding(5, 2, sparse=True), torch.ones(2, requires_grad=True)
    optimizer = getattr(optim, name)([first, *table.parameters()], weight_decay=0.1)
    (table(torch.tensor([1])).sum() + first.sum()).backward()
    with pytest.raises(RuntimeError, match=r"shape \(5, 2\) is sparse.*sparse=False"):
        optimizer.step()
    assert torch.equal(first, torch.ones(2))
    z = torch.ones(2, dtype=torch.complex64, requires_grad=True)
    z.grad = torch.ones_like(z)
    with pytest.raises(RuntimeError, match="complex"):
        getattr(optim, name)([z]).step()


def test_a_step_of_adam_costs_at_most_twice_torchs_single_tensor_one():
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(10)))
    other = copy.deepcopy(model)
    both = optim.Adam(model.parameters()), torch.optim.Adam(other.parameters(), foreach=False)
    for p in (*model.parameters(), *other.parameters()):
        p.grad = torch.ones_like(p)

    def cost(optimizer):
        start = time.thread_time()  # CPU time: a busy machine does not count
        for _ in range(30):
            optimizer.step()
        return time.thread_time() - start

    turns = [[cost(optimizer) for optimizer in both] for _ in range(6)][1:]
    ours, theirs = map(min, zip(*turns))
    assert ours <= 2 * theirs
