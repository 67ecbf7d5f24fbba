"""The writing explorer: trained character LSTMs go on from what a reader types."""

from __future__ import annotations

import base64
import copy
import textwrap
from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np
import torch
import traitlets
from torch import Tensor

from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREY
from labnotes.sequence.characters import CharLSTM

HERE = Path(__file__).parent
MOST_BYTES = 300_000  # of one network: what a reader's page may have to fetch
#: The numbers of a network in the order in which the script reads them.
ORDER = (
    "embedding.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0",
    "lstm.bias_hh_l0", "output.weight", "output.bias",
)  # fmt: skip
NAMES = {" ": "space", "\n": "new line"}


class CharLSTMExplorer(Explorer):
    """Networks that write: the reader gives a beginning and a temperature.

    The weights are rounded to half precision; all that is shown is computed from the rounded ones.
    In a notebook they come with the widget. The site keeps them in files of their own, beside the
    page, which is then told in `places` where they are.

    Parameters
    ----------
    networks
        What each network has read, and the network.
    beginning
        What the text begins with. Characters that a network does not know are left out.
    temperature
        From 0.1 to 1.5.
    length
        How many characters the first network has written before anyone asks.
    seed
        Of these characters.

    Raises
    ------
    ValueError
        If there is no network, one takes more than 300 kB or its weights are not finite in half
        precision, or `length` is negative.
    """

    _esm = with_shared(HERE / "char_lstm.js", "filed.js")
    _css = HERE / "char_lstm.css"

    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alphabets = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sizes = traitlets.List().tag(sync=True)  # [embed_size, hidden_size] of each
    byte_counts = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = traitlets.List(traitlets.Unicode()).tag(sync=True)  # base64, or "" and a place
    places = traitlets.List(traitlets.Unicode()).tag(sync=True)  # addresses, as the page sees them
    network = traitlets.Int(0).tag(sync=True)
    beginning = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(0.7, min=0.1, max=1.5).tag(sync=True)
    # What the first network wrote before anyone asked: for which choices, and the logits after it.
    written = traitlets.Unicode("").tag(sync=True)
    sampled = traitlets.List().tag(sync=True)
    logits = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(
        self,
        networks: Mapping[str, CharLSTM],
        beginning: str = "",
        temperature: float = 0.7,
        length: int = 240,
        seed: int = 0,
    ):
        _check(networks, length)
        rounded = {title: in_half_precision(net) for title, net in networks.items()}
        packed = [pack(net) for net in rounded.values()]
        first = next(iter(rounded.values()))
        super().__init__(
            titles=list(rounded),
            alphabets=[net.alphabet for net in rounded.values()],
            sizes=[[net.lstm.input_size, net.lstm.hidden_size] for net in rounded.values()],
            byte_counts=[len(content) for content in packed],
            weights=[base64.b64encode(content).decode("ascii") for content in packed],
            places=[""] * len(packed),
            beginning=beginning,
            temperature=temperature,
            sampled=[0, beginning],
        )
        self.written, found = write(first, self._begun(), temperature, length, seed)
        self.logits = found.tolist()

    def _begun(self) -> str:
        """The beginning, less what the first network does not know."""
        return "".join(c for c in self.beginning if c in set(self.alphabets[0]))

    def chances(self) -> Tensor:
        """The probabilities of the next character at the temperature, ``(characters,)``."""
        return torch.softmax(torch.tensor(self.logits) / self.temperature, 0)

    def _likeliest(self, count: int) -> list[tuple[str, float]]:
        found = self.chances().topk(min(count, len(self.logits)))
        letters = [self.alphabets[0][i] for i in found.indices.tolist()]
        return [(NAMES.get(c, c), p) for c, p in zip(letters, found.values.tolist())]

    def describe(self) -> str:
        letter, chance = self._likeliest(1)[0]
        return (
            f"A text that a character LSTM has written at temperature {self.temperature:.2f}, "
            f"having read {self.titles[0]}. It begins “{self._begun()}”; below it bars show what "
            f"may come next: {letter} with {100 * chance:.0f} % and others."
        )

    def still_svg(self) -> str:
        lines = [
            line
            for part in (self._begun() + self.written).split("\n")
            for line in textwrap.wrap(part, 66) or [""]
        ][:12]
        text = "".join(
            f'<text x="16" y="{32 + 19 * i}" font-family="monospace" xml:space="preserve">'
            f"{escape(line)}</text>"
            for i, line in enumerate(lines)
        )
        top = 32 + 19 * len(lines)
        bars = "".join(
            f'<text x="16" y="{top + 34 + 22 * i}">{escape(letter)}</text>'
            f'<rect x="110" y="{top + 23 + 22 * i}" width="{max(1, 400 * chance):.1f}" height="13" '
            f'fill="{BLUE}"/>'
            f'<text x="624" y="{top + 34 + 22 * i}" text-anchor="end">{100 * chance:.0f} %</text>'
            for i, (letter, chance) in enumerate(self._likeliest(5))
        )
        bottom = top + 34 + 22 * 5
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {bottom}" width="640" '
            f'height="{bottom}" role="img" font-family="sans-serif" font-size="13" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            f'<rect x="0.5" y="0.5" width="639" height="{bottom - 1}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/>{text}<text x="16" y="{top + 10}" font-weight="bold">The next '
            f"character</text>{bars}</svg>"
        )


def in_half_precision(network: CharLSTM) -> CharLSTM:
    """A copy of a network, its numbers rounded to half precision, on the CPU, for use.

    Raises
    ------
    ValueError
        If a number is not finite in half precision.
    """
    rounded = copy.deepcopy(network).cpu().half().float().eval()
    _check_finite(rounded)
    return rounded


def pack(network: CharLSTM) -> bytes:
    """All numbers of a network as little-endian float16, one tensor after the other in `ORDER`."""
    weights = network.state_dict()
    return b"".join(weights[name].cpu().numpy().astype("<f2").tobytes() for name in ORDER)


@torch.no_grad()
def write(
    network: CharLSTM, beginning: str, temperature: float, length: int, seed: int = 0
) -> tuple[str, Tensor]:
    """What a network writes after `beginning`, and the logits of the character after that.

    Parameters
    ----------
    network
        In evaluation mode.
    beginning
        Of characters that it knows. After "" the first character comes from the empty state, in
        which the network holds them all as likely as its last layer's bias says.
    temperature
        Of the softmax that each character is drawn from, above 0.
    length
        How many characters to write.
    seed
        Of the draws.

    Returns
    -------
    tuple
        The written text, without the beginning, and logits ``(characters,)``.
    """
    random = np.random.default_rng(seed)
    logits, state, text = network.output.bias, None, ""
    ids = network.encode(beginning)
    for _ in range(length + 1):
        if len(ids):
            found, state = network(ids[None], state)
            logits = found[0, -1]  # (characters,)
        if len(text) == length:
            break
        probabilities = torch.softmax(logits.double() / temperature, 0).numpy()
        drawn = int(random.choice(len(probabilities), p=probabilities / probabilities.sum()))
        text, ids = text + network.alphabet[drawn], torch.tensor([drawn])
    return text, logits


def _check(networks: Mapping[str, CharLSTM], length: int) -> None:
    if not networks:
        raise ValueError("there is no network: give at least one, {'what it has read': network}")
    for title, network in networks.items():
        size = 2 * sum(p.numel() for p in network.parameters())
        if size > MOST_BYTES:
            raise ValueError(
                f"the network that has read {title} takes {size:,} bytes in half precision, and a "
                f"page may fetch {MOST_BYTES:,}: give a smaller one"
            )
    if length < 0:
        raise ValueError(f"length is {length}: give how many characters to write, 0 or more")


def _check_finite(network: CharLSTM) -> None:
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(
                f"{name} holds numbers that are not finite in half precision: has training failed?"
            )
