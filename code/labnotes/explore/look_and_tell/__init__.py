"""The look-and-tell explorer: where a captioner looks at a picture while it writes each word."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from labnotes.captioning import Captioner
from labnotes.explore.base import Explorer, with_shared
from labnotes.explore.carried import data_uri
from labnotes.plot import GREY, ORANGE

HERE = Path(__file__).parent
WIDTHS = (1, 3, 5)
DARKEST = 0.85  # how black the picture is where the decoder does not look at all
MOST_WORDS = 16  # of a caption, its end among them


@torch.no_grad()
def read_picture(
    model: Captioner,
    image: Tensor,
    inputs: Tensor,
    target: dict[str, Tensor],
    names: Sequence[str],
    begin: int,
    end: int,
    length: int,
) -> dict:
    """All that the explorer shows of one picture: its captions, by beam width, and their maps.

    Parameters
    ----------
    model
        In evaluation mode.
    image
        ``(3, side, side)``, uint8, as readers see it.
    inputs
        ``(1, ...)``, the same picture as the model takes it.
    target
        Of the generated world: ``"boxes"`` and ``"masks"``. The words 2 and 3 of each four are
        about the shapes from left to right.
    names
        How each token is written.
    begin, end, length
        As for :meth:`labnotes.captioning.Captioner.caption`.

    Returns
    -------
    dict
        ``image``, a data URI; ``side``; ``captions``: for each width ``words``, ``maps`` in
        thousandths, and in per cent ``sure`` (the probability of the word), ``gate`` (100 without
        one), ``share`` (attention inside the shape that the word is about) and ``area`` (the
        shape's part of the picture); ``boxes`` of these shapes. A word about no shape has -1 and [].
    """
    order = (target["boxes"][:, 0] + target["boxes"][:, 2]).argsort(stable=True)
    boxes, masks = target["boxes"][order], target["masks"][order].float()
    captions = {}
    for width in WIDTHS:
        best = model.caption(inputs, begin, end, width, length)[0][0].tokens
        tokens = torch.tensor([[begin, *best]], device=inputs.device)
        captions[str(width)] = _caption(model, inputs, tokens, boxes, masks, names, end)
    return {"image": data_uri(image), "side": image.shape[-1], "captions": captions}


def _caption(model, inputs, tokens, boxes, masks, names, end: int) -> dict:
    """What is known of one caption, its tokens ``(1, steps + 1)`` given."""
    state = model.decoder.start(model.encoder(inputs))
    found = {key: [] for key in ("words", "maps", "sure", "gate", "share", "area", "boxes")}
    for t, (word, following) in enumerate(zip(tokens[0, :-1], tokens[0, 1:])):
        gate = 1.0 if model.decoder.gate is None else model.decoder.gate(state.h).sigmoid().item()
        logits, alpha, state = model.decoder.write(word[None], state)
        cells = int(alpha.shape[1] ** 0.5)
        named = t // 4 if t % 4 in (1, 2) and t // 4 < len(boxes) else -1
        inside = F.adaptive_avg_pool2d(masks[named][None], cells).flatten() if named >= 0 else None
        found["words"].append("end" if following == end else names[int(following)])
        found["maps"].append((1000 * alpha[0]).round().int().tolist())
        found["sure"].append(_per_cent(logits[0].softmax(-1)[following]))
        found["gate"].append(_per_cent(gate))
        found["share"].append(-1 if inside is None else _per_cent(alpha[0].cpu() @ inside))
        found["area"].append(-1 if inside is None else _per_cent(inside.mean()))
        found["boxes"].append([] if inside is None else boxes[named].tolist())
    return found


class LookAndTellExplorer(Explorer):
    """A picture, its caption, and where the decoder looked for each word.

    Parameters
    ----------
    pictures : list of dict
        What :func:`read_picture` gives, at least one.
    picture : int
        Which of them is shown, from 0.
    width : str
        The width of the beam, ``"1"``, ``"3"`` or ``"5"``.
    word : int
        The word whose map is shown, from 0.

    Raises
    ------
    ValueError
        If there is no picture, not that one, a caption has more than 16 words, or the chosen one
        has not that word.
    """

    _esm = with_shared(HERE / "look_and_tell.js")
    _css = HERE / "look_and_tell.css"

    pictures = traitlets.List(traitlets.Dict()).tag(sync=True)
    picture = traitlets.Int(0, min=0).tag(sync=True)
    width = traitlets.Enum([str(w) for w in WIDTHS], "3").tag(sync=True)
    word = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, pictures: Sequence[dict], **traits):
        super().__init__(pictures=list(pictures), **traits)
        if self.picture >= len(self.pictures):
            raise ValueError(
                f"there are {len(self.pictures)} pictures and picture is {self.picture}: give what "
                "read_picture gives, and a number below theirs"
            )
        longest = max(len(c["words"]) for p in self.pictures for c in p["captions"].values())
        if longest > MOST_WORDS:
            raise ValueError(f"a caption has {longest} words: give at most {MOST_WORDS}")
        if self.word >= len(self.caption["words"]):
            raise ValueError(f"word is {self.word}: the caption has {len(self.caption['words'])}")

    @property
    def caption(self) -> dict:
        """The caption that is shown."""
        return self.pictures[self.picture]["captions"][self.width]

    def opacities(self) -> list[float]:
        """How black each cell is drawn: 0 for the one that the decoder looks at most."""
        weights = self.caption["maps"][self.word]
        return [DARKEST * (1 - w / max(weights)) for w in weights]

    def describe(self) -> str:
        words = " ".join(self.caption["words"][:-1]) or "(nothing)"
        return f"Look-and-tell explorer. The caption is: {words}. {self.told()}"

    def told(self) -> str:
        """What is known of the chosen word, in a sentence or two."""
        c, n = self.caption, self.word
        weights = c["maps"][n]
        cells = int(len(weights) ** 0.5)
        best = max(range(len(weights)), key=weights.__getitem__)
        text = (
            f"Word {n + 1} of {len(c['words'])}, “{c['words'][n]}”, has a probability of "
            f"{c['sure'][n]} %. The brightest square is row {best // cells + 1}, column "
            f"{best % cells + 1}, with {int(weights[best] / 10 + 0.5)} % of the attention."
        )
        if c["share"][n] >= 0:
            text += (
                f" Inside the outlined shape are {c['share'][n]} %; it covers {c['area'][n]} % of "
                "the picture."
            )
        return f"{text} The gate is at {c['gate'][n]} %."

    def still_svg(self) -> str:
        picture, c, wide = self.pictures[self.picture], self.caption, 256
        cells = int(len(c["maps"][0]) ** 0.5)
        side = wide / cells
        squares = "".join(
            f'<rect x="{12 + side * (i % cells):g}" y="{12 + side * (i // cells):g}" '
            f'width="{side:g}" height="{side:g}" fill="#000000" fill-opacity="{o:.3f}"/>'
            for i, o in enumerate(self.opacities())
        )
        frame = ""
        if c["boxes"][self.word]:
            x1, y1, x2, y2 = (12 + wide * v / picture["side"] for v in c["boxes"][self.word])
            frame = (
                f'<rect x="{x1:g}" y="{y1:g}" width="{x2 - x1:g}" height="{y2 - y1:g}" '
                f'fill="none" stroke="{ORANGE}" stroke-width="2"/>'
            )
        lines, row = [], []
        for n, word in enumerate(c["words"]):
            ink = ' font-weight="bold" text-decoration="underline"' if n == self.word else ""
            row.append(f"<tspan{ink}>{escape(word)}</tspan>")
            if len(row) == 4 or n == len(c["words"]) - 1:
                lines.append(
                    f'<text x="12" y="{wide + 34 + 20 * len(lines)}">{" ".join(row)}</text>'
                )
                row = []
        width, height = wide + 24, wide + 34 + 20 * len(lines)
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="sans-serif" '
            f'font-size="14" fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6" '
            f'fill="#ffffff" stroke="{GREY}"/><image href="{picture["image"]}" x="12" y="12" '
            f'width="{wide}" height="{wide}" style="image-rendering:pixelated"/>{squares}{frame}'
            f"{''.join(lines)}</svg>"
        )


def _per_cent(part: float | Tensor) -> int:
    return int(100 * float(part) + 0.5)
