"""The captioner computes what the paper's equations and torch's own layers give."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labnotes.captioning import CaptionDecoder, Captioner, GridEncoder, State, even_looks
from labnotes.captioning.attending import LOOKS
from labnotes.sequence.search import beam_search

SIZES = {"vocab_size": 11, "feature_size": 6, "embed_size": 5, "hidden_size": 7}


def made(seed=0, **options):
    torch.manual_seed(seed)
    return CaptionDecoder(**SIZES, **options).double().eval()


def telling():
    return Captioner(GridEncoder(6), CaptionDecoder(**SIZES)).eval()


def grid(batch=3, cells=9):
    return torch.randn(batch, cells, 6, dtype=torch.float64)


def by_equations(decoder, tokens, a):
    """Equations 4 to 9 and 7 of the paper, written out with the functional forms, one picture."""
    p = dict(decoder.named_parameters())
    mean = a.mean(0)

    def mlp(name):
        hidden = torch.tanh(p[f"{name}.0.weight"] @ mean + p[f"{name}.0.bias"])
        return torch.tanh(p[f"{name}.2.weight"] @ hidden + p[f"{name}.2.bias"])

    h, c, logits, maps = mlp("init_h"), mlp("init_c"), [], []
    cell = nn.LSTMCell(11, 7).double()
    cell.load_state_dict(decoder.rnn.state_dict())
    first = None
    for y in tokens.tolist():
        query = h if decoder.looks == "each" or first is None else first
        first = query if first is None else first
        e = torch.stack(
            [
                p["attention.w_v.weight"][0]
                @ torch.tanh(p["attention.W_q.weight"] @ query + p["attention.W_k.weight"] @ cell_)
                for cell_ in a
            ]
        )
        alpha = e.exp() / e.exp().sum()
        z = sum(w * cell_ for w, cell_ in zip(alpha, a))
        if decoder.looks == "never":
            z, alpha = torch.zeros_like(z), torch.full_like(alpha, 1 / len(a))
        if decoder.gate is not None:
            z = torch.sigmoid(p["gate.weight"][0] @ h + p["gate.bias"][0]) * z
        word = p["embedding.weight"][y]
        h, c = (x[0] for x in cell(torch.cat([word, z])[None], (h[None], c[None])))
        mixed = word + p["from_h.weight"] @ h + p["from_h.bias"]
        mixed = mixed + p["from_z.weight"] @ z + p["from_z.bias"]
        logits.append(p["logits.weight"] @ mixed + p["logits.bias"])
        maps.append(alpha)
    return torch.stack(logits), torch.stack(maps)


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("gate", [True, False])
def test_teacher_forcing_gives_the_papers_equations(looks, gate):
    decoder, a = made(looks=looks, gate=gate), grid()
    tokens = torch.randint(11, (3, 4))
    with torch.no_grad():
        logits, maps = decoder(tokens, decoder.start(a))
        for i in range(3):
            theirs = by_equations(decoder, tokens[i], a[i])
            assert torch.allclose(logits[i], theirs[0], atol=1e-12)
            assert torch.allclose(maps[i], theirs[1], atol=1e-12)


def test_the_context_without_a_gate_is_that_of_additive_attention():
    decoder, a = made(gate=False), grid()
    with torch.no_grad():
        state = decoder.start(a)
        context, alpha = decoder.look(state)
        theirs = decoder.attention(state.h[:, None], a, a)[:, 0]
    assert torch.allclose(context, theirs, atol=1e-12)
    assert torch.allclose(alpha, decoder.attention.weights[:, 0], atol=1e-12)


def test_the_state_begins_at_two_perceptrons_of_the_mean():
    decoder, a = made(), grid()
    state, shuffled = decoder.start(a), decoder.start(a[:, torch.randperm(9)])
    assert torch.allclose(state.h, shuffled.h) and torch.allclose(state.c, shuffled.c)
    assert not torch.allclose(state.h, state.c)


def test_a_decoder_that_never_looks_sees_the_mean_alone_and_one_that_looks_once_keeps_its_map():
    tokens, a = torch.randint(11, (1, 5)), grid(1)
    never = made(looks="never")
    moved = a + torch.randn_like(a)
    moved = moved - moved.mean(1, keepdim=True) + a.mean(1, keepdim=True)  # the same mean
    assert torch.allclose(never(tokens, never.start(a))[0], never(tokens, never.start(moved))[0])
    each = made()
    assert not torch.allclose(each(tokens, each.start(a))[0], each(tokens, each.start(moved))[0])
    _, maps = (once := made(looks="once"))(tokens, once.start(a))
    assert torch.equal(maps[:, :1].expand_as(maps), maps)


@pytest.mark.parametrize("looks", LOOKS)
def test_the_beam_of_a_batch_finds_what_a_search_that_reads_all_again_finds(looks):
    model = Captioner(nn.Identity(), made(3, looks=looks)).eval()
    a = grid(6)
    found = model.caption(a, begin=1, end=2, width=3, length=6)
    for row, of_one in zip(a, found):

        def step(prefixes, row=row):
            features = row.expand(len(prefixes), -1, -1)
            with torch.no_grad():
                return model(features, prefixes)[0][:, -1].log_softmax(-1)

        theirs = beam_search(step, [1], 3, 6, 2)
        assert [h.tokens for h in of_one] == [h.tokens for h in theirs]
        assert [h.score for h in of_one] == pytest.approx([h.score for h in theirs], abs=1e-5)


def test_a_state_of_chosen_rows_goes_on_as_those_pictures():
    decoder, a = made(), grid()
    rows, tokens = torch.tensor([2, 0, 2]), torch.tensor([4, 5, 6])
    chosen = decoder.step(tokens, decoder.start(a).select(rows))[0]
    assert torch.allclose(chosen, decoder.step(tokens, decoder.start(a[rows]))[0])
    assert isinstance(decoder.start(a).select(rows), State)


def test_the_grid_has_a_row_for_each_8_by_8_square_and_a_cell_sees_23_pixels():
    torch.manual_seed(0)
    encoder = GridEncoder(12, side=5).eval()
    image = torch.rand(1, 3, 40, 40, requires_grad=True)
    features = encoder(image)
    assert features.shape == (1, 25, 12)
    # Row-major: cell 12 is the one in the middle. What it depends on is found by its gradient.
    features[0, 12].square().sum().backward()
    rows = image.grad[0].abs().sum((0, 2)).nonzero().flatten()
    columns = image.grad[0].abs().sum((0, 1)).nonzero().flatten()
    assert len(rows) == len(columns) == 23
    assert 16 <= (rows.min() + rows.max()) / 2 <= 23


def test_the_doubly_stochastic_term_is_equation_14():
    torch.manual_seed(0)
    maps = torch.rand(4, 6, 9).softmax(-1)
    lengths = torch.tensor([6, 1, 3, 0])
    theirs = sum(
        sum((1 - sum(maps[b, t, i].item() for t in range(n))) ** 2 for i in range(9))
        for b, n in enumerate(lengths.tolist())
    )
    assert even_looks(maps, lengths).item() == pytest.approx(theirs / 4, rel=1e-5)
    maps.requires_grad_(True)
    even_looks(maps, lengths).backward()
    assert maps.grad[3].abs().max() == 0 and maps.grad[2, 3:].abs().max() == 0  # padding


def test_the_doubly_stochastic_term_is_computed_where_the_maps_are():
    maps, lengths = torch.rand(2, 3, 4), torch.tensor([3, 2])
    with torch.device("meta"):  # where a new tensor lies that nobody has put elsewhere
        assert even_looks(maps, lengths).device == maps.device


def test_it_learns_where_the_only_lit_cell_is():
    """The maps are trained by the words alone: they must end at the cell that tells the word."""
    torch.manual_seed(0)
    decoder = CaptionDecoder(6, 6, 16, 16)
    optimizer = torch.optim.AdamW(decoder.parameters(), 1e-2)
    for _ in range(150):
        kind, place = torch.randint(3, 6, (64,)), torch.randint(9, (64,))
        a = 0.3 * torch.randn(64, 9, 6)
        a[torch.arange(64), place] += 3 * F.one_hot(kind, 6).float()
        logits, maps = decoder(torch.ones(64, 1, dtype=torch.int64), decoder.start(a))
        optimizer.zero_grad()
        F.cross_entropy(logits[:, 0], kind).backward()
        optimizer.step()
    assert (logits[:, 0].argmax(-1) == kind).float().mean() > 0.95
    assert maps[torch.arange(64), 0, place].mean() > 3 / 9


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (lambda: GridEncoder(0), "size is 0"),
        (lambda: GridEncoder(8)(torch.rand(1, 3, 32, 32)), "give floats"),
        (lambda: GridEncoder(8)(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)), "give floats"),
        (lambda: CaptionDecoder(**SIZES, looks="twice"), "'each', 'once', 'never'"),
        *(
            (lambda size=size: CaptionDecoder(**SIZES | {size: 0}), f"{size} is 0")
            for size in SIZES
        ),
        (lambda: made().start(grid()[:, :, :5]), "features have the shape"),
        (lambda: made().start(grid()[:, :0]), "at least one cell"),
        (lambda: made()(torch.ones(2, 3), made().start(grid(2))), "give integers"),
        (lambda: made()(torch.ones(2, 0).long(), made().start(grid(2))), "at least one step"),
        (lambda: made()(torch.tensor([[11]]), made().start(grid(1))), "from 0 to 10"),
        (lambda: made()(torch.tensor([[-1]]), made().start(grid(1))), "from -1 to -1"),
        (lambda: made()(torch.ones(1, 2).long(), made().start(grid(2))), "(2, steps)"),
        (lambda: even_looks(torch.ones(2, 3), torch.ones(2)), "maps have the shape"),
        (lambda: even_looks(torch.ones(2, 3, 4), torch.ones(3)), "one length for each picture"),
        (lambda: even_looks(torch.ones(2, 3, 4), torch.tensor([1, 4])), "from 1 to 4"),
        (lambda: even_looks([[0.5, 0.5]], [1]), "are list and list"),
        (lambda: GridEncoder(8)([[0.0]]), "a list: give a tensor"),
        (lambda: made().start(torch.ones(1, 4, 6).long()), "features are torch.int64"),
        (lambda: telling().caption(torch.rand(1, 3, 64, 64), 11, 2, 2, 3), "begin is 11"),
        (lambda: telling().caption(torch.rand(1, 3, 64, 64), 1, 11, 2, 3), "end is 11"),
        (lambda: telling().caption(torch.rand(0, 3, 64, 64), 1, 2, 2, 3), "start is a tensor (0,)"),
        (lambda: telling().caption(torch.rand(1, 3, 64, 64) / 0, 1, 2, 2, 3), "NaN"),
    ],
)  # fmt: skip
def test_bad_input_is_told_what_was_expected(bad, said):
    with pytest.raises(ValueError) as caught:
        bad()
    assert said in str(caught.value)


def test_a_single_picture_and_a_caption_of_one_word_work():
    torch.manual_seed(0)
    model = Captioner(GridEncoder(6), CaptionDecoder(**SIZES)).eval()
    logits, maps = model(torch.rand(1, 3, 64, 64), torch.tensor([[1]]))
    assert logits.shape == (1, 1, 11) and maps.shape == (1, 1, 64)
    assert len(model.caption(torch.rand(1, 3, 64, 64), 1, 2, 2, 3)) == 1
