"""The GRU with a gradient of its own: torch's numbers, gradients, parameters and training steps."""

import doctest

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence

from labnotes.sequence import GRUByHand, by_hand
from labnotes.sequence.by_hand import GRUSteps

LETTERS, HIDDEN, TIME, BATCH = 4, 5, 6, 3


@pytest.fixture
def both():
    """Our layer and torch's with the same weights, all of them large enough to matter."""
    torch.manual_seed(0)
    ours, theirs = GRUByHand(LETTERS, HIDDEN).double(), nn.GRU(LETTERS, HIDDEN).double()
    for weight in theirs.parameters():
        nn.init.normal_(weight)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def results(layer, inputs, state, uses=("outputs", "last")):
    """What a layer gives, and the gradients of a sum that weighs each number of it differently."""
    layer.zero_grad()
    leaves = {"inputs": inputs, "state": state}
    leaves = {
        k: v.clone().requires_grad_()
        for k, v in leaves.items()
        if v is not None and v.is_floating_point()
    }
    found = dict(zip(("outputs", "last"), layer(leaves.get("inputs", inputs), leaves.get("state"))))
    sum((found[k] * torch.arange(found[k].numel()).view(found[k].shape).cos()).sum()
        for k in uses).backward()  # fmt: skip
    gradients = {name: p.grad for name, p in layer.named_parameters()}
    return found, gradients, {k: v.grad for k, v in leaves.items()}


@pytest.mark.parametrize("uses", [("outputs",), ("last",), ("outputs", "last")], ids="+".join)
@pytest.mark.parametrize("given", [True, False], ids=["state", "no state"])
def test_outputs_and_all_gradients_are_torchs(both, given, uses):
    inputs = torch.randn(TIME, BATCH, LETTERS).double()
    state = torch.randn(1, BATCH, HIDDEN).double() if given else None
    ours, theirs = (results(layer, inputs, state, uses) for layer in both)
    torch.testing.assert_close(ours, theirs)
    assert all(gradient.abs().max() > 1e-3 for gradient in ours[1].values())


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_letters_are_read_as_torch_reads_their_one_hot_vectors(both, dtype):
    letters = torch.randint(LETTERS - 1, (TIME, BATCH))  # the last letter never comes
    state = torch.randn(1, BATCH, HIDDEN).double()
    (found, gradients, leaves), (expected, theirs, at) = (
        results(both[0], letters.to(dtype), state),
        results(both[1], F.one_hot(letters, LETTERS).double(), state),
    )
    torch.testing.assert_close((found, gradients), (expected, theirs))
    torch.testing.assert_close(leaves["state"], at["state"])
    assert (gradients["weight_ih_l0"][:, -1] == 0).all()


@pytest.mark.parametrize("time, batch, hidden", [(1, 1, 1), (5, 3, 2), (2, 1, 4)])
def test_the_formula_is_the_gradient_by_finite_differences(time, batch, hidden):
    torch.manual_seed(1)
    rows = 3 * hidden
    shapes = (batch, hidden), (rows, LETTERS), (rows, hidden), (rows,), (rows,)
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    inputs = torch.randn(time, batch, LETTERS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(GRUSteps.apply, [inputs, *given])
    letters = torch.randint(LETTERS, (time, batch))
    assert torch.autograd.gradcheck(GRUSteps.apply, [letters, *given])


def test_training_steps_are_torchs(both):
    letters, targets = torch.randint(LETTERS, (2, TIME, BATCH))
    read = {both[0]: letters, both[1]: F.one_hot(letters, LETTERS).double()}
    losses = {layer: [] for layer in both}
    for layer, inputs in read.items():
        sgd = torch.optim.SGD(layer.parameters(), lr=0.5)
        for _ in range(5):
            sgd.zero_grad()
            loss = F.cross_entropy(layer(inputs)[0].flatten(0, 1), targets.flatten())
            loss.backward()
            sgd.step()
            losses[layer].append(loss.item())
    assert losses[both[0]] == pytest.approx(losses[both[1]], rel=1e-9)
    assert losses[both[0]][-1] < losses[both[0]][0] - 0.01
    torch.testing.assert_close(both[0].state_dict(), both[1].state_dict())


def test_single_precision_and_inputs_that_are_not_contiguous_give_torchs_numbers(both):
    ours, theirs = (layer.float() for layer in both)
    inputs = torch.randn(BATCH, TIME, LETTERS).transpose(0, 1)
    torch.testing.assert_close(results(ours, inputs, None), results(theirs, inputs, None))


def test_a_second_pass_back_over_a_graph_that_is_kept_gives_the_same(both):
    loss = both[0](torch.randn(TIME, BATCH, LETTERS).double())[0].square().sum()
    weights = list(both[0].parameters())
    first = torch.autograd.grad(loss, weights, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, weights), first, rtol=0, atol=0)


def test_a_second_derivative_is_refused(both):
    loss = both[0](torch.randn(TIME, BATCH, LETTERS).double())[0].square().sum()
    gradient = torch.autograd.grad(loss, both[0].weight_hh_l0, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


def test_without_gradients_nothing_is_kept(both):
    with torch.no_grad():
        outputs, _ = both[0](torch.randint(LETTERS, (TIME, BATCH)))
    assert not outputs.requires_grad


def test_state_dicts_load_both_ways_and_first_weights_are_torchs():
    torch.manual_seed(0)
    ours = GRUByHand(LETTERS, HIDDEN)
    torch.manual_seed(0)
    theirs = nn.GRU(LETTERS, HIDDEN)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize(
    "inputs, said",
    [
        (torch.zeros(6, 3, 5), r"shape \(6, 3, 5\): give \(time, batch, input_size\)"),
        (torch.zeros(0, 3, 4), "at least one step"),
        (torch.zeros(6, 3, 4).double(), "inputs are torch.float64, the weights torch.float32"),
        (torch.zeros(6, dtype=torch.int64), r"torch.int64 of the shape \(6,\): give"),
        (torch.zeros(6, 3, 4, dtype=torch.int64), r"\(6, 3, 4\): give .* letters"),
        (torch.zeros(0, 3, dtype=torch.int64), "at least one step"),
        (torch.zeros(6, 3, dtype=torch.bool), "torch.bool .* letters as int64"),
        (torch.zeros(6, 3, dtype=torch.uint8), "torch.uint8"),
        (torch.full((6, 3), 4), "letters go from 4 to 4: give whole numbers from 0 to 3"),
        (torch.full((6, 3), -1), "letters go from -1 to -1"),
        ([[0, 1]], "inputs is a list: give a tensor"),
        (pack_sequence([torch.zeros(6, 4)]), "PackedSequence: give a tensor"),
    ],
)
def test_what_cannot_be_read_is_refused(inputs, said):
    with pytest.raises(ValueError, match=said):
        GRUByHand(4, 5)(inputs)


def test_wrong_states_sizes_and_autocast_are_refused():
    layer, letters = GRUByHand(4, 5), torch.zeros(6, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"shape \(3, 5\): give .* \(1, 3, 5\)"):
        layer(letters, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="hidden_size is 0"):
        GRUByHand(4, 0)
    with torch.autocast("cpu"), pytest.raises(ValueError, match="precision='fp32'"):
        layer(letters)


def test_the_examples_in_the_docstring_run():
    assert doctest.testmod(by_hand).failed == 0
