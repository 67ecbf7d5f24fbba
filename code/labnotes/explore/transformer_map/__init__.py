"""The map of the Transformer: each box opens its code, its shapes and its parameters.

Nothing about the model is written down here but what the boxes are for. Shapes and counts are read
from `labnotes.transformer` itself: it runs once, with hooks, at sizes that differ from each other,
so that each number in a shape can be given its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from html import escape
from math import prod
from pathlib import Path

import torch
import traitlets
from torch import Tensor, nn

from labnotes.attention import masks
from labnotes.attention.multi_head import MultiHeadAttention, attention_weights
from labnotes.attention.positions import _angles, sinusoidal
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import GREY
from labnotes.show import source
from labnotes.transformer.blocks import DecoderBlock, EncoderBlock
from labnotes.transformer.model import Decoder, Embedding, Encoder, Transformer

HERE = Path(__file__).parent
#: The sizes that count parameters, by their letters; what the controls offer.
LETTERS = {"vocabulary": "V", "d_model": "d", "dim_feedforward": "f"}
CHOICES = {
    "d_model": [64, 128, 256, 512, 1024],
    "nhead": [1, 2, 4, 8, 16],
    "dim_feedforward": [128, 256, 512, 1024, 2048, 4096],
    "vocabulary": [1000, 8000, 32000, 37000],
}
#: Vaswani et al. (2017), table 3: the sizes of a model, and how many parameters the table gives it.
#: The 37,000 tokens, shared by both languages, stand in section 5.1.
PAPER = [
    {"d_model": 512, "nhead": 8, "blocks": 6, "dim_feedforward": 2048, "vocabulary": 37000,
     "norm_first": False, "millions": 65},
    {"d_model": 1024, "nhead": 16, "blocks": 6, "dim_feedforward": 4096, "vocabulary": 37000,
     "norm_first": False, "millions": 213},
]  # fmt: skip

Terms = list[tuple[int, list[str]]]  # a sum of products: 4 d² + 4 d is [(4, [d, d]), (4, [d])]


@dataclass
class Box:
    """A box of the drawing.

    Attributes
    ----------
    key
        ``"encoder.attention"``: its column, and what it is there.
    label
        What stands in it.
    said
        Two sentences, where the norm comes after the sum (post-norm) and where it comes first.
    code
        The functions and classes that do its work.
    group
        What its parameters are counted under.
    reads
        What is told of its shapes: a name, a module, and what of it ("in", "keys", "weights", "out").
    owns
        The modules whose parameters it has.
    title
        What it is called where it is open, likewise; the label unless given.
    """

    key: str
    label: str
    said: tuple[str, str]
    code: list[Callable]
    group: str
    reads: list[tuple[str, str, str]]
    owns: list[str] = field(default_factory=list)
    title: tuple[str, str] | None = None


# --- what the boxes are for

ATTENTION = [
    MultiHeadAttention.attend, MultiHeadAttention.project, MultiHeadAttention._split,
    MultiHeadAttention._biases, MultiHeadAttention.__init__, attention_weights,
]  # fmt: skip
POSITIONS = (
    "Attention compares what tokens are, not where they stand, so each place adds a pattern of "
    "sines and cosines of its own. The pattern is computed; nothing in it is learned."
)
NETWORK = (
    "Two linear layers with a ReLU between them, the same for each token: from d features to f "
    "hidden units and back. No token sees another one here."
)


def boxes_of(norm_first: bool) -> list[Box]:
    """The boxes from below, first those of the encoder. The last norms are there in pre-norm only."""
    found = [
        _embedding("encoder", (
            "The number of each token picks its row in a learned table: V rows of d numbers. The "
            "row times √d is about as large as the pattern of positions that comes next."
        )),
        _positions("encoder"),
        _attention("encoder", "attention", "self-attention", "self_attn", (
            "Each token of the source asks all of them: queries, keys and values are made of the "
            "same vectors. Nothing else in the encoder lets one token learn of another."
        ), [EncoderBlock.forward, *ATTENTION]),
        _norm("encoder", "norm1", "self-attention"),
        _network("encoder"),
        _norm("encoder", "norm2", "feed-forward network"),
        _last_norm("encoder", "the decoder reads it"),
        _embedding("decoder", (
            "What is written so far, moved by one place: the beginning token comes first, and each "
            "place has to predict the token after it. One table serves source, target and output."
        )),
        _positions("decoder"),
        _attention("decoder", "attention", "causal self-attention", "self_attn", (
            "Each token of the target asks itself and those before it; the causal mask hides what "
            "comes after. So all places learn in one pass, and none sees the token it must predict."
        ), [masks.causal, Decoder.forward, *ATTENTION]),
        _norm("decoder", "norm1", "self-attention"),
        _attention("decoder", "cross", "cross-attention", "multihead_attn", (
            "The queries come from the target, keys and values from the encoder's output: each "
            "token that is written asks the source. All blocks of the decoder ask the same output."
        ), [DecoderBlock.forward, *ATTENTION]),
        _norm("decoder", "norm2", "cross-attention"),
        _network("decoder"),
        _norm("decoder", "norm3", "feed-forward network"),
        _last_norm("decoder", "the output layer reads it"),
        Box("decoder.logits", "output layer", _both(
            "A linear layer gives each of the V tokens a score, its logit, at each place. Its "
            "weights are the table of the embedding once more."
        ), [Decoder.logits, Decoder.forward], "embedding",
            [("in", "decoder.logits", "in"), ("out", "decoder.logits", "out")],
            ["decoder.embedding.table"]),
        Box("decoder.softmax", "softmax", _both(
            "The softmax makes of the logits the probabilities of the token after each place. In "
            "training the loss does this; greedy writing needs the largest logit alone, and feeds "
            "its token back."
        ), [Transformer.generate], "embedding",
            [("in", "decoder.logits", "out"), ("out", "softmax", "out")]),
    ]  # fmt: skip
    return [box for box in found if norm_first or not box.key.endswith(".norm")]


def _both(text: str) -> tuple[str, str]:
    return text, text


def _embedding(side: str, text: str) -> Box:
    table = f"{side}.embedding.table"
    code = [Embedding] if side == "encoder" else [Embedding, Transformer.__init__]
    reads = [("in", table, "in"), ("out", table, "out")]
    return Box(
        f"{side}.embedding", "embedding × √d", _both(text), code, "embedding", reads, [table]
    )


def _positions(side: str) -> Box:
    reads = [("in", f"{side}.embedding.table", "out"), ("out", f"{side}.embedding", "out")]
    code = [Embedding.forward, sinusoidal, _angles]
    return Box(f"{side}.positions", "+ positions", _both(POSITIONS), code, "embedding", reads)


def _attention(side: str, name: str, label: str, part: str, text: str, code: list) -> Box:
    path = f"{side}.layers.0.{part}"
    reads = [("queries", path, "in"), ("keys, values", path, "keys"),
             ("weights", path, "weights"), ("out", path, "out")]  # fmt: skip
    return Box(f"{side}.{name}", label, _both(text), code, "attention", reads, [path])


def _norm(side: str, name: str, about: str) -> Box:
    path = f"{side}.layers.0.{name}"
    said = (
        "Add and norm: a skip connection adds what went into that part to what it gave. The d "
        "numbers of each token in the sum get mean 0 and variance 1, then a learned scale and shift.",
        "The d numbers of each token get mean 0 and variance 1, then a learned scale and shift, and "
        "so enter that part. The skip connection leads past both: no norm stands in its way.",
    )
    code = [EncoderBlock.forward if side == "encoder" else DecoderBlock._in_turn]
    reads = [("in", path, "in"), ("out", path, "out")]
    title = f"layer norm after the {about}", f"layer norm before the {about}"
    return Box(f"{side}.{name}", "layer norm", said, code, "norms", reads, [path], title)


def _network(side: str) -> Box:
    first, second = (f"{side}.layers.0.linear{i}" for i in (1, 2))
    reads = [("in", first, "in"), ("hidden", first, "out"), ("out", second, "out")]
    code = [EncoderBlock.feed_forward, EncoderBlock.__init__]
    return Box(f"{side}.network", "feed-forward", _both(NETWORK), code, "feed-forward",
               reads, [first, second], _both("feed-forward network"))  # fmt: skip


def _last_norm(side: str, before: str) -> Box:
    said = (
        "In pre-norm the sum that leaves the last block has met no norm on its way. One more layer "
        f"norm follows, before {before}."
    )
    reads = [("in", f"{side}.norm", "in"), ("out", f"{side}.norm", "out")]
    code = [Encoder if side == "encoder" else Decoder.forward]
    return Box(
        f"{side}.norm", "last layer norm", _both(said), code, "norms", reads, [f"{side}.norm"]
    )


# --- what the model says of itself

#: All different, so that a number in a shape has one name only.
TRACED = {"batch": 2, "source": 11, "target": 13, "vocabulary": 19, "d_model": 24, "nhead": 3,
          "dim_feedforward": 17}  # fmt: skip


def named(shape: Iterable[int]) -> list[tuple[int, list[str]]]:
    """The names of a shape's numbers at the traced sizes, a multiple of d_model with its factor.

    Raises
    ------
    ValueError
        If a number is none of the sizes.
    """
    names = {size: name for name, size in TRACED.items()}
    found = []
    for n in shape:
        if n in names:
            found.append((1, [names[n]]))
        elif n % TRACED["d_model"] == 0:
            found.append((n // TRACED["d_model"], ["d_model"]))
        else:
            raise ValueError(f"{n} is none of the sizes {TRACED}")
    return found


@cache
def parts(norm_first: bool) -> list[dict]:
    """The boxes with what one run of the model and its parameters say of them.

    Returns
    -------
    list of dict
        For each box ``key``, ``label``, ``title``, ``said``, ``group``; ``code``, the places of its listings;
        ``shapes``, pairs of a name and the names of the sizes; ``terms``, its parameters as a sum of
        products; ``repeated``, whether each block has one; ``shared``, whether what it has is
        counted elsewhere.
    """
    model, seen = _trace(norm_first)
    counted, found = set(), []
    for box in boxes_of(norm_first):
        own = [p for path in box.owns for p in model.get_submodule(path).parameters()]
        new = [p for p in own if id(p) not in counted]
        counted.update(id(p) for p in new)
        shapes = []
        for name, path, what in box.reads:
            shape = seen[box.key.partition(".")[0], path][what]
            shapes.append([name, [names for _, (names,) in named(shape)]])
        found.append({
            "key": box.key, "label": box.label, "said": box.said[norm_first], "group": box.group,
            "title": box.title[norm_first] if box.title else box.label,
            "code": [source(part).place for part in box.code], "shapes": shapes,
            "terms": _sum(named(p.shape) for p in new),
            "repeated": any(".layers." in path for path in box.owns), "shared": len(new) < len(own),
        })  # fmt: skip
    return found


@cache
def listings() -> dict[str, str]:
    """The code of all boxes by its place, without docstrings."""
    shown = (source(part) for box in boxes_of(True) for part in box.code)
    return {listing.place: listing.code for listing in shown}


def _trace(norm_first: bool) -> tuple[Transformer, dict]:
    """A small model of one block each, and the shapes that each of its modules met in one run."""
    s, seen, side = TRACED, {}, "encoder"
    model = Transformer(
        s["vocabulary"], d_model=s["d_model"], nhead=s["nhead"], num_encoder_layers=1,
        num_decoder_layers=1, dim_feedforward=s["dim_feedforward"], norm_first=norm_first,
    ).eval().requires_grad_(False)  # fmt: skip
    paths: dict[int, list[str]] = {}  # the embedding has two
    for path, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(path)

    def keep(module: nn.Module, given: tuple, output: Tensor) -> None:
        met = {
            "in": given[0].shape,
            "keys": given[min(1, len(given) - 1)].shape,
            "out": output.shape,
        }
        if isinstance(module, MultiHeadAttention):
            met["weights"] = module.weights.shape
        seen.update({(side, path): met for path in paths[id(module)]})

    for module in model.modules():
        if isinstance(module, (EncoderBlock, DecoderBlock)):
            module.need_weights = True
        elif isinstance(
            module, (Embedding, MultiHeadAttention, nn.Linear, nn.LayerNorm, nn.Embedding)
        ):
            module.register_forward_hook(keep)
    score = model.decoder.logits  # a method, which has no hooks

    def scored(x: Tensor) -> Tensor:
        logits = score(x)
        seen["decoder", "decoder.logits"] = {"in": x.shape, "out": logits.shape}
        return logits

    model.decoder.logits = scored
    memory = model.encoder(torch.zeros(s["batch"], s["source"], dtype=torch.long))
    side = "decoder"
    logits = model.decoder(torch.zeros(s["batch"], s["target"], dtype=torch.long), memory)
    seen["decoder", "softmax"] = {"out": logits.softmax(dim=-1).shape}
    return model, seen


def _sum(shapes: Iterable[list[tuple[int, list[str]]]]) -> Terms:
    """Parameters of these shapes, as a sum of products; the longest products first."""
    found: dict[tuple[str, ...], int] = {}
    for shape in shapes:
        names = tuple(sorted((name for _, (name,) in shape), key=list(LETTERS).index))
        found[names] = found.get(names, 0) + prod(factor for factor, _ in shape)
    return [(n, list(names)) for names, n in sorted(found.items(), key=lambda item: -len(item[0]))]


def count(terms: Terms, sizes: dict[str, int]) -> int:
    """The value of a sum of products at these sizes."""
    return sum(factor * prod(sizes[name] for name in names) for factor, names in terms)


def formula(terms: Terms) -> str:
    """A sum of products in letters.

    Examples
    --------
    >>> formula([(4, ["d_model", "d_model"]), (4, ["d_model"])])
    '4 d² + 4 d'
    """
    words = []
    for factor, names in terms:
        letters = " ".join(LETTERS[name] for name in names).replace("d d", "d²")
        words.append(letters if factor == 1 else f"{factor} {letters}")
    return " + ".join(words)


# --- where everything stands in the drawing

WIDTH, HEIGHT, ROW = 342, 420, 23
#: Centre and width of a column's boxes; where its skip connections go up; edges of its frame.
COLUMNS = {"encoder": (93, 118, 27, 20, 156), "decoder": (250, 124, 317, 184, 322)}
HEAD = "m-3 4l3 -4l3 4"  # an arrow's head, pointing up


class _Column:
    """One column of the drawing, from below. Lengths are in the drawing's own pixels."""

    def __init__(self, side: str):
        self.side = side
        self.centre, self.width, self.skip, self.left, self.right = COLUMNS[side]
        self.y, self.last = HEIGHT - 16, None  # where the next arrow begins, and of which box
        self.boxes, self.arrows, self.signs = {}, [], []
        self.open: list[dict] = []  # arrows into a sum: they lead to the box above it

    def arrow(self, path: str, kind: str = "data", to: str | None = None, begin: str | None = None):
        made = {"d": path, "kind": kind, "from": begin or self.last, "to": to}
        self.arrows.append(made)
        return made

    def box(self, name: str, gap: int) -> None:
        key, x, bottom = f"{self.side}.{name}", self.centre, self.y - gap
        for waiting in self.open:
            waiting["to"] = key
        self.open = []
        if name == "cross":  # its keys and values come from the other column
            self.arrow(f"M{x} {self.y}V{bottom + 6}h28V{bottom}{HEAD}", "query", key)
        elif name == "attention":
            self.arrow(f"M{x} {self.y}V{bottom + 6}", "data", key)
            for kind, across in (("key", -28), ("value", 0), ("query", 28)):
                self.arrow(f"M{x} {bottom + 6}h{across}V{bottom}{HEAD}", kind, key)
        else:
            self.arrow(f"M{x} {self.y}V{bottom}{HEAD}", "data", key)
        self.y, self.last = bottom - ROW, key
        self.boxes[key] = [x - self.width / 2, self.y, self.width, ROW]

    def sublayer(self, name: str, norm: str, norm_first: bool) -> None:
        """A part with its norm, and the skip connection around it."""
        begin, low = self.last, self.y - 3
        reach = 13 if name in ("attention", "cross") else 9
        if norm_first:
            self.box(norm, 9)
            self.box(name, reach)
        else:
            self.box(name, reach + 4)
        high, edge = self.y - 8, self.centre + (5 if self.skip > self.centre else -5)
        self.open = [
            self.arrow(f"M{self.centre} {self.y}V{high + 5}{HEAD}"),
            self.arrow(f"M{self.centre} {low}H{self.skip}V{high}H{edge}", "skip", begin=begin),
        ]
        self.signs.append([self.centre, high])
        self.y = high - 5
        if not norm_first:
            self.box(norm, 8)


@cache
def drawing(norm_first: bool) -> dict:
    """Boxes ``[x, y, width, height]`` by key, arrows with the boxes at their ends, sums, frames."""
    columns = {side: _Column(side) for side in COLUMNS}
    frames = []
    for side, column in columns.items():
        column.box("embedding", 8)
        column.box("positions", 7)
        low = column.y - 4
        column.y -= 2
        column.sublayer("attention", "norm1", norm_first)
        if side == "decoder":
            column.sublayer("cross", "norm2", norm_first)
        column.sublayer("network", "norm3" if side == "decoder" else "norm2", norm_first)
        high = column.y - 3
        frames.append([column.left, high, column.right - column.left, low - high])
        if norm_first:
            column.box("norm", 10)
    encoder, decoder = columns.values()
    decoder.box("logits", decoder.y - 4 - 2 * ROW - 8)  # the top of the drawing stays where it is
    decoder.box("softmax", 8)
    _keys_and_values(encoder, decoder)
    return {
        "size": [WIDTH, HEIGHT],
        "boxes": encoder.boxes | decoder.boxes,
        "arrows": encoder.arrows + decoder.arrows,
        "signs": encoder.signs + decoder.signs,
        "frames": frames,
        "turn": encoder.y - 16,
    }


def _keys_and_values(encoder: _Column, decoder: _Column) -> None:
    """From the top of the encoder between the columns to the cross-attention, one inside the other."""
    _, y, _, height = decoder.boxes["decoder.cross"]
    foot, top, x = y + height, encoder.y, encoder.centre
    for kind, aside, between, high, low, across in (
        ("key", -3, 173, 16, 5, -28), ("value", 3, 167, 11, 9, -8)
    ):  # fmt: skip
        path = (
            f"M{x + aside} {top}V{top - high}H{between}V{foot + low}H{decoder.centre + across}"
            f"V{foot}{HEAD}"
        )
        decoder.arrow(path, kind, "decoder.cross", encoder.last)


class TransformerMapExplorer(Explorer):
    """The whole Transformer as a drawing: choose a box, change a size, move the norms.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, vocabulary
        Sizes of the model; one vocabulary for source, target and output, as in the paper.
    blocks : int
        Of the encoder and of the decoder each, 1 to 12.
    norm_first : bool
        Whether the norm comes before each part (pre-norm) or after each sum (post-norm, the paper).
    source, target : int
        Tokens of the sentence that is read, and of what is written so far.
    chosen : str
        The box that is open, such as ``"decoder.cross"``.

    Raises
    ------
    ValueError
        If `nhead` does not divide `d_model`, `d_model` is odd, or there is no such box.
    """

    _esm = with_shared(HERE / "transformer_map.js")
    _css = HERE / "transformer_map.css"

    d_model = traitlets.Int(512, min=1).tag(sync=True)
    nhead = traitlets.Int(8, min=1).tag(sync=True)
    blocks = traitlets.Int(6, min=1, max=12).tag(sync=True)
    dim_feedforward = traitlets.Int(2048, min=1).tag(sync=True)
    vocabulary = traitlets.Int(37000, min=1).tag(sync=True)
    norm_first = traitlets.Bool(False).tag(sync=True)
    source = traitlets.Int(7, min=1).tag(sync=True)
    target = traitlets.Int(5, min=1).tag(sync=True)
    chosen = traitlets.Unicode("encoder.attention").tag(sync=True)
    letters = traitlets.Dict(LETTERS).tag(sync=True)
    choices = traitlets.Dict(CHOICES).tag(sync=True)
    paper = traitlets.List(traitlets.Dict(), PAPER).tag(sync=True)
    parts = traitlets.List(traitlets.List()).tag(sync=True)  # post-norm, pre-norm
    drawings = traitlets.List(traitlets.Dict()).tag(sync=True)
    listings = traitlets.Dict().tag(sync=True)

    def __init__(self, **traits):
        both = (False, True)
        super().__init__(**traits, parts=[parts(first) for first in both],
                         drawings=[drawing(first) for first in both], listings=listings())  # fmt: skip
        _check_heads(self.d_model, self.nhead)
        keys = [part["key"] for part in self.parts[self.norm_first]]
        if self.chosen not in keys:
            raise ValueError(f"there is no box {self.chosen!r}: give one of {', '.join(keys)}")

    def sizes(self) -> dict[str, int]:
        """All that a shape or a count depends on, by name; one sentence is one batch."""
        names = ("source", "target", "vocabulary", "d_model", "nhead", "dim_feedforward", "blocks")
        return {"batch": 1} | {name: getattr(self, name) for name in names}

    def counts(self) -> dict:
        """Parameters: ``each`` box's own by key, those of each ``group`` in all blocks, ``total``."""
        sizes, each, groups = self.sizes(), {}, {}
        for part in self.parts[self.norm_first]:
            each[part["key"]] = own = count(part["terms"], sizes)
            times = self.blocks if part["repeated"] else 1
            groups[part["group"]] = groups.get(part["group"], 0) + own * times
        return {"each": each, "groups": groups, "total": sum(groups.values())}

    def describe(self) -> str:
        counted = self.counts()
        shares = ", ".join(f"{name} {n:,}" for name, n in counted["groups"].items())
        return (
            f"Map of the Transformer, {'pre' if self.norm_first else 'post'}-norm. Left, the "
            f"encoder: embedding, positions, {self.blocks} blocks of self-attention and a "
            f"feed-forward network. Right, the decoder: embedding, positions, {self.blocks} blocks "
            "of causal self-attention, cross-attention to the encoder's output and a feed-forward "
            "network, then output layer and softmax. A skip connection and a layer norm belong to "
            f"each part of a block. {counted['total']:,} parameters: {shares}."
        )

    def still_svg(self) -> str:
        plan, counted, sizes = drawing(self.norm_first), self.counts(), self.sizes()
        shown = {part["key"]: part for part in self.parts[self.norm_first]}
        lines = [
            *(f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6" fill="#f3f4f5" '
              'stroke="#8a8f98"/>' for x, y, w, h in plan["frames"]),
            *(f'<path d="{arrow["d"]}" fill="none" stroke="#57606a"/>' for arrow in plan["arrows"]),
            *(f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="#ffffff" stroke="#57606a"/>'
              f'<path d="M{x - 3:g} {y:g}h6M{x:g} {y - 3:g}v6" stroke="#24292f"/>'
              for x, y in plan["signs"]),
        ]  # fmt: skip
        for key, (x, y, w, h) in plan["boxes"].items():
            lines.append(
                f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="4" fill="#ffffff" '
                f'stroke="#24292f"/><text x="{x + w / 2:g}" y="{y + 16:g}" text-anchor="middle">'
                f"{escape(shown[key]['label'])}</text>"
            )
        for text, x, y in self._notes(plan):
            lines.append(f'<text x="{x}" y="{y}" text-anchor="middle">{escape(text)}</text>')
        rows = [f"{n:,} {name}" for name, n in counted["groups"].items()]
        for i, row in enumerate([f"{counted['total']:,} parameters:", *rows]):
            weight = "" if i else ' font-weight="bold"'
            lines.append(f'<text x="2" y="{16 + 17 * i}"{weight}>{row}</text>')
        # Below the drawing, one line for each box: what it has and what it gives.
        for i, part in enumerate(shown.values()):
            row = HEIGHT + 24 + 17 * i
            shape = " × ".join(str(sizes[name]) for name in part["shapes"][-1][1])
            letters = formula(part["terms"]) or ("shared" if part["shared"] else "none")
            lines.append(
                f'<text x="2" y="{row}">{part["key"].split(".")[0][:3]}. {part["label"]}</text>'
                f'<text x="258" y="{row}" text-anchor="end">{letters}</text>'
                f'<text x="{WIDTH}" y="{row}" text-anchor="end">{shape}</text>'
            )
        height = HEIGHT + 24 + 17 * len(shown)
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 {WIDTH + 16} {height + 8}" '
            f'width="{WIDTH + 16}" height="{height + 8}" role="img" font-family="sans-serif" '
            f'font-size="11.5" fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="-7.5" y="-7.5" width="{WIDTH + 15}" height="{height + 7}" rx="6" '
            f'fill="#ffffff" stroke="{GREY}"/>{"".join(lines)}</svg>'
        )

    def _notes(self, plan: dict) -> list[tuple[str, float, float]]:
        """What stands beside the boxes: words, and where their middle is."""
        (_, y1, _, h1), (_, y2, _, h2) = plan["frames"]
        return [
            (f"source: {self.source} tokens", COLUMNS["encoder"][0], HEIGHT - 3),
            (f"target: {self.target} tokens", COLUMNS["decoder"][0], HEIGHT - 3),
            (f"{self.blocks}×", 9, y1 + h1 / 2 + 4),
            (f"×{self.blocks}", 333, y2 + h2 / 2 + 4),
        ]


def _check_heads(d_model: int, nhead: int) -> None:
    if d_model % nhead or d_model % 2:
        raise ValueError(
            f"d_model is {d_model}, nhead {nhead}: give an even d_model that nhead divides"
        )
