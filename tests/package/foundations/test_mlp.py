"""The multilayer perceptron against torchvision's and scikit-learn's, its gradients against autograd."""

import inspect
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.nn import functional as F
from torchvision.ops import MLP

from labnotes.foundations import mlp, mlp_gradients


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
@pytest.mark.parametrize("sizes", [(5, 3), (5, 7, 3), (2, 4, 6, 1)])
def test_the_network_is_torchvisions_with_our_weights(sizes, activation):
    ours = mlp(sizes, activation)
    theirs = MLP(sizes[0], list(sizes[1:]), activation_layer=activation)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = drawn(4, sizes[0], dtype=torch.float32)
    torch.testing.assert_close(ours(x), theirs.eval()(x))


def test_the_default_activation_is_torchvisions():
    ours, theirs = (inspect.signature(f).parameters for f in (mlp, MLP))
    assert ours["activation"].default is theirs["activation_layer"].default is nn.ReLU


def test_an_image_is_flattened_in_torchs_order():
    net, images = mlp((12, 5, 2)), drawn(3, 1, 4, 3, dtype=torch.float32)
    torch.testing.assert_close(net(images), net(images.reshape(3, 12)))


@pytest.mark.parametrize(
    ("sizes", "text"),
    [((4,), "give the numbers of inputs"), ((4, 0, 2), r"sizes\[1\] is 0"),
     ((4, 2.0), r"sizes\[1\] is 2.0")],
)  # fmt: skip
def test_sizes_that_make_no_network_are_refused(sizes, text):
    with pytest.raises(ValueError, match=text):
        mlp(sizes)


@pytest.mark.parametrize("activation", [nn.ReLU(), "relu", None])
def test_an_activation_that_makes_no_layer_is_refused(activation):
    with pytest.raises(ValueError, match="without brackets"):
        mlp((2, 3, 1), activation)


def layers(inputs, hidden, classes, batch, seed):
    shapes = ((batch, inputs), (hidden, inputs), (hidden,), (classes, hidden), (classes,))
    x, *weights = (drawn(*shape, seed=10 * seed + i) for i, shape in enumerate(shapes))
    labels = torch.randint(classes, (batch,), generator=torch.Generator().manual_seed(seed))
    return x, labels, *weights


@settings(max_examples=30, deadline=None)
@given(*[st.integers(1, 6)] * 4, st.integers(0, 1000))
def test_the_gradients_by_hand_are_those_of_autograd(inputs, hidden, classes, batch, seed):
    x, labels, *weights = layers(inputs, hidden, classes, batch, seed)
    for weight in weights:
        weight.requires_grad_()
    w1, b1, w2, b2 = weights
    loss = F.cross_entropy(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), labels)
    expected = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        found = mlp_gradients(x, labels, *weights)
    torch.testing.assert_close(found.loss, loss.detach())
    for name, gradient in zip(("w1", "b1", "w2", "b2"), expected, strict=True):
        torch.testing.assert_close(
            getattr(found, name), gradient, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_the_loss_is_that_of_scikit_learns_network_with_our_weights():
    x, labels, *weights = layers(4, 6, 3, 20, seed=1)
    labels[:3] = torch.arange(3)  # each class is there
    theirs = MLPClassifier((6,), alpha=0.0, max_iter=1, batch_size=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, nor shall it
        theirs.fit(x.numpy(), labels.numpy())
    found = mlp_gradients(x, labels, *weights)
    w1, b1, w2, b2 = (w.numpy() for w in weights)
    theirs.coefs_, theirs.intercepts_ = [w1.T, w2.T], [b1, b2]
    p = theirs.predict_proba(x.numpy())
    loss = -torch.tensor(p)[torch.arange(20), labels].log().mean()
    torch.testing.assert_close(found.loss, loss)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({0: torch.zeros(3)}, r"x has the shape \(3,\): give 2 axes"),
        ({1: torch.zeros(2, dtype=torch.long)}, r"labels has the shape \(2,\).*ask for \(5,\)"),
        ({2: torch.zeros(4, 2)}, r"w1 has the shape \(4, 2\), the others ask for \(4, 3\)"),
        ({4: torch.zeros(4, 2)}, r"w2 has the shape \(4, 2\), the others ask for \(2, 4\)"),
        ({1: torch.tensor([0, 1, 2, 0, 1])}, "integers from 0 to 1"),
        ({1: torch.zeros(5)}, "integers from 0 to 1"),
        ({0: torch.zeros(0, 3), 1: torch.zeros(0, dtype=torch.long)}, "batch is empty"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(change, text):
    arguments = [*layers(3, 4, 2, 5, seed=0)]
    for place, value in change.items():
        arguments[place] = value
    with pytest.raises(ValueError, match=text):
        mlp_gradients(*arguments)
