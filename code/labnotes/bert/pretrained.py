"""A BERT that others have trained, with the pieces that it reads."""

from __future__ import annotations

import json

from labnotes.bert.model import Bert, BertConfig, from_hugging_face
from labnotes.data import catalog, provenance
from labnotes.text.vocabulary import Vocabulary
from labnotes.text.wordpiece import WordPiece


def minilm() -> tuple[Bert, WordPiece]:
    """MiniLM, a small BERT of 6 layers and 22.7 million weights, and its tokenizer.

    It was distilled from a larger network and then trained on pairs of sentences; the linear layer
    of its pooler was part of the first, not of the second.

    Returns
    -------
    encoder : Bert
        In single precision on the CPU, in evaluation mode. Its attribute `provenance` says whose
        weights they are, and whether the file in half precision took the place of the original.
    pieces : WordPiece
        Its vocabulary gives the numbers: ``pieces.vocabulary.to_ids(pieces.tokenize(text))``.

    Raises
    ------
    DatasetUnavailable
        If the weights are not to be had.

    References
    ----------
    Wang et al. (2020), MiniLM: Deep self-attention distillation; Reimers and Gurevych (2019),
    Sentence-BERT, whose project published these weights as all-MiniLM-L6-v2.

    Examples
    --------
    ::

        encoder, pieces = minilm()
        ids = pieces.vocabulary.to_ids(["[CLS]", *pieces.tokenize("A cat."), "[SEP]"])
        vectors, whole = encoder(torch.tensor([ids]))  # (1, 5, 384), (1, 384)
    """
    from safetensors.torch import load_file

    found = catalog.fetch("minilm")
    weights = found.paths["model.safetensors"]
    config = json.loads(found.paths["config.json"].read_text("utf-8"))
    encoder = Bert(BertConfig.read(config))
    encoder.load_state_dict(from_hugging_face(load_file(weights)))  # into single precision
    note = "" if weights.name == "model.safetensors" else "In half precision."
    encoder.provenance = provenance.of(catalog.entry("minilm"), found.source, note)
    lines = found.paths["vocab.txt"].read_text("utf-8").rstrip("\n").split("\n")
    return encoder.eval(), WordPiece(Vocabulary([], reserved=lines))
