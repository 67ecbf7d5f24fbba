"""The checkers of the chapter vision/fine-tuning take right answers and no wrong ones."""

import pytest

from labnotes.exercises import check


def unfreeze(model, first):
    model.requires_grad_(False)
    for child in list(model.children())[first:]:
        child.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def layerwise(blocks, lr, decay, power=lambda n, i: n - 1 - i, keep=lambda p: p.requires_grad):
    groups = []
    for i, block in enumerate(blocks):
        trained = [p for p in block.parameters() if keep(p)]
        if trained:
            groups.append({"params": trained, "lr": lr * decay ** power(len(blocks), i)})
    return groups


def test_right_answers_pass(capsys):
    assert check("fine_tuning.unfreeze_from", unfreeze)
    assert check("fine_tuning.layerwise_rates", layerwise)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("freeze first")

    assert not check("fine_tuning.unfreeze_from", stub)
    assert not check("fine_tuning.layerwise_rates", stub)
    assert capsys.readouterr().out.count("not written yet. freeze first") == 2


def only_unfreezes(model, first):
    for child in list(model.children())[first:]:
        child.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def freezes_children_alone(model, first):
    for n, child in enumerate(model.children()):
        child.requires_grad_(n >= first)
    return sum(p.numel() for c in list(model)[first:] for p in c.parameters())


def counts_tensors(model, first):
    unfreeze(model, first)
    return sum(p.requires_grad for p in model.parameters())


def counts_all(model, first):
    unfreeze(model, first)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    "wrong",
    [
        only_unfreezes,
        freezes_children_alone,
        counts_tensors,
        counts_all,
        lambda m, k: unfreeze(m, k + 1),
        lambda m, k: unfreeze(m, 0),
        lambda m, k: unfreeze(m, -k),
        lambda m, k: float(unfreeze(m, k)),
        lambda m, k: unfreeze(m, k) and None,
        lambda m, k: sum(p.numel() for c in list(m)[k:] for p in c.parameters()),  # freezes nothing
        lambda m, k: 0,
        lambda m, k: float("nan"),
    ],
)
def test_wrong_unfreezing_fails(wrong, capsys):
    assert not check("fine_tuning.unfreeze_from", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b, lr, d: layerwise(b, lr, d, power=lambda n, i: i),  # from the wrong end
        lambda b, lr, d: layerwise(b, lr, d, power=lambda n, i: n - i),
        lambda b, lr, d: layerwise(b, lr, d, power=lambda n, i: 0),
        lambda b, lr, d: layerwise(b, lr, d, keep=lambda p: True),  # frozen ones too
        lambda b, lr, d: layerwise([x for x in b if next(x.parameters()).requires_grad], lr, d),
        lambda b, lr, d: layerwise(b, lr, d)[::-1],
        lambda b, lr, d: layerwise(b, 0.0, d),
        lambda b, lr, d: layerwise(b, float("nan"), d),
        lambda b, lr, d: layerwise(b, lr, d)[-1:],
        lambda b, lr, d: [{"params": g["params"][:1], "lr": g["lr"]} for g in layerwise(b, lr, d)],
        lambda b, lr, d: [],
    ],
)
def test_wrong_rates_fail(wrong, capsys):
    assert not check("fine_tuning.layerwise_rates", wrong)
    assert "✗" in capsys.readouterr().out
