"""The loss over all classifiers of a network, and the accuracy of the last."""

import pytest
import torch
import torchvision
from torch.nn import functional as F

from labnotes.convnets import (
    GoogLeNetOutputs,
    auxiliary_cross_entropy,
    googlenet_small,
    main_accuracy,
)
from labnotes.train import evaluate, fit


def test_the_loss_adds_the_auxiliary_losses_with_their_weight():
    torch.manual_seed(0)
    targets = torch.tensor([0, 3, 1])
    outputs = GoogLeNetOutputs(*torch.randn(3, 3, 4))
    main, aux2, aux1 = (F.cross_entropy(o, targets) for o in outputs)
    loss = auxiliary_cross_entropy(0.3)
    torch.testing.assert_close(loss(outputs, targets), main + 0.3 * aux2 + 0.3 * aux1)
    torch.testing.assert_close(loss(outputs.logits, targets), main)
    torch.testing.assert_close(auxiliary_cross_entropy(0)(outputs, targets), main)
    theirs = torchvision.models.GoogLeNetOutputs(*outputs)
    torch.testing.assert_close(loss(theirs, targets), main + 0.3 * aux2 + 0.3 * aux1)
    torch.testing.assert_close(loss((outputs[0], outputs[1], None), targets), main + 0.3 * aux2)
    assert loss.__name__ != auxiliary_cross_entropy(0.5).__name__
    expected = (outputs[0].argmax(1) == targets).float().mean()
    assert main_accuracy(outputs, targets) == main_accuracy(outputs[0], targets) == expected


def test_fit_trains_all_classifiers_and_evaluate_reads_the_main_one():
    torch.manual_seed(0)
    x = torch.randn(32, 1, 12, 12)
    y = (x.mean((1, 2, 3)) > 0).long()
    net = googlenet_small(2, width=16, aux_logits=True)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    history = fit(
        net, [(x, y)], [(x, y)], epochs=8, progress=False,
        optimizer=lambda p: torch.optim.Adam(p, lr=0.01),
        loss=auxiliary_cross_entropy(), metrics={"accuracy": main_accuracy},
    )  # fmt: skip
    assert history.steps[-1] < history.steps[0]
    for name in ("fc.weight", "aux1.fc2.weight", "aux2.fc2.weight"):
        assert not torch.equal(before[name], net.state_dict()[name].cpu())
    found = evaluate(net, [(x, y)])
    assert found["accuracy"] == pytest.approx(history.last["valid_accuracy"])
    assert found["loss"] == pytest.approx(history.last["valid_loss"], abs=1e-5)


@pytest.mark.parametrize("weight", [-0.1, float("nan")])
def test_a_weight_below_0_is_refused(weight):
    with pytest.raises(ValueError, match=f"weight is {weight}: give 0 or more"):
        auxiliary_cross_entropy(weight)
