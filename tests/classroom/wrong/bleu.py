"""Wrong answers to the assignment bleu, and the most they may get."""

CLIPPED = """
def clipped_counts(candidate, references, n):
    have, allowed = ngrams(candidate, n), Counter()
    for reference in references:
        {rule}
    return {result}
"""

CORPUS = """
def corpus_bleu(candidates, references, weights=(1 / 4, 1 / 4, 1 / 4, 1 / 4)):
    orders = range(1, len(weights) + 1)
    sentences = list(zip(candidates, references))
    counts = [[clipped_counts(c, rs, n) for c, rs in sentences] for n in orders]
    precisions = [sum(m for m, _ in row) / (sum(t for _, t in row) or 1) for row in counts]
    lengths = [len(c) for c in candidates], [closest_length(c, rs) for c, rs in sentences]
    penalty = brevity_penalty(sum(lengths[0]), sum(lengths[1]))
    {wrong}
    return {{"score": score, "precisions": precisions, "penalty": penalty}}
"""
RIGHT_SCORE = "score = penalty * math.prod(p**w for p, w in zip(precisions, weights))"

EVALUATE = """
def evaluate(systems, references):
    rows = []
    for name, outputs in systems.items():
        paper = corpus_bleu(outputs, references)
        notes = corpus_bleu(outputs, references, {weights})
        single = [corpus_bleu([o], [r])["score"] for o, r in zip(outputs, references)]
        {wrong}
        rows.append({{
            "system": name, "p1": paper["precisions"][0], "p4": paper["precisions"][3],
            "penalty": paper["penalty"], "BLEU": paper["score"],
            "mean of sentences": {mean}, "notes": notes["score"],
        }})
    return rows
"""
NOTES = "(1 / 2, 1 / 4, 1 / 8, 1 / 16)"
MEAN = "sum(single) / len(single)"

PLACES = """
def changed_places(rows, one, other):
    return [[a["system"], b["system"]] for a in rows for b in rows if {rule}]
"""

#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    {
        "name": "every prediction is zero",
        "cells": {
            "predicted": "predicted = {'A': [[0, 0]] * 4, 'lengths': [0] * 3, "
            "'exponents': [0.0] * 4, 'pooled': [[0, 0]] * 2}"
        },
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted without clipping, the longer of two ties, precisions averaged",
        "cells": {
            "predicted": "predicted = {'A': [[5, 5], [3, 4], [1, 3], [0, 2]], 'lengths': [5, 6, 6], "
            "'exponents': [0, -0.5, -0.5, -0.33], 'pooled': [[0.85, 1], [0.69, 1]]}"
        },
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted that the corpus is penalised as its shortest sentence is",
        "cells": {
            "predicted": "predicted = {'A': [[4, 5], [3, 4], [1, 3], [0, 2]], 'lengths': [5, 2, 6], "
            "'exponents': [0, 0, -0.5, -0.5], 'pooled': [[11, 13], [7, 10]]}"
        },
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "all zeros",
        "cells": {
            "ngrams": "def ngrams(tokens, n):\n    return Counter()",
            "clipped": "def clipped_counts(candidate, references, n):\n    return 0, 0",
            "length": "def closest_length(candidate, references):\n    return 0",
            "penalty": "def brevity_penalty(c, r):\n    return 0.0",
            "corpus": "def corpus_bleu(candidates, references, weights=(0.25,) * 4):\n"
            "    return {'score': 0.0, 'precisions': [0.0] * len(weights), 'penalty': 0.0}",
            "places": "def changed_places(rows, one, other):\n    return []",
        },
        "at_most": {
            "clipped-graded": 0,
            "penalty-graded": 0,
            "corpus-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "functions return their input",
        "cells": {
            "ngrams": "def ngrams(tokens, n):\n    return tokens",
            "clipped": "def clipped_counts(candidate, references, n):\n    return candidate, references",
            "length": "def closest_length(candidate, references):\n    return candidate",
            "penalty": "def brevity_penalty(c, r):\n    return c",
            "corpus": "def corpus_bleu(candidates, references, weights=None):\n    return candidates",
            "places": "def changed_places(rows, one, other):\n    return rows",
        },
        "at_most": {
            "clipped-graded": 0,
            "penalty-graded": 0,
            "corpus-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "clipping forgotten: every n-gram that a reference knows counts",
        "cells": {
            "clipped": CLIPPED.format(
                rule="allowed |= ngrams(reference, n)",
                result="sum(k for g, k in have.items() if g in allowed), sum(have.values())",
            )
        },
        "at_most": {"clipped-graded": 1, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "clipped at the sum over the references",
        "cells": {
            "clipped": CLIPPED.format(
                rule="allowed += ngrams(reference, n)",
                result="sum((have & allowed).values()), sum(have.values())",
            )
        },
        "at_most": {"clipped-graded": 3, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "only the last reference counts",
        "cells": {
            "clipped": CLIPPED.format(
                rule="allowed = ngrams(reference, n)",
                result="sum((have & allowed).values()), sum(have.values())",
            )
        },
        "at_most": {"clipped-graded": 2, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "recall: divided by the n-grams of the references",
        "cells": {
            "clipped": CLIPPED.format(
                rule="allowed |= ngrams(reference, n)",
                result="sum((have & allowed).values()), sum(allowed.values())",
            )
        },
        "at_most": {"clipped-graded": 1, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "a set instead of a bag: repeated n-grams count once",
        "cells": {
            "ngrams": "def ngrams(tokens, n):\n"
            "    return Counter({tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)})"
        },
        "at_most": {"clipped-graded": 0, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "off by one: the last n-gram is missing",
        "cells": {
            "ngrams": "def ngrams(tokens, n):\n"
            "    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n))"
        },
        "at_most": {"clipped-graded": 0, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "the ends of the text give short n-grams",
        "cells": {
            "ngrams": "def ngrams(tokens, n):\n"
            "    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens)))"
        },
        "at_most": {"clipped-graded": 0, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "of two references equally close the longer one",
        "cells": {
            "length": "def closest_length(candidate, references):\n"
            "    c = len(candidate)\n"
            "    return min(map(len, references), key=lambda k: (abs(k - c), -k))"
        },
        "at_most": {"penalty-graded": 2, "results-graded": 1},
    },
    {
        "name": "the shortest reference counts",
        "cells": {
            "length": "def closest_length(candidate, references):\n    return min(map(len, references))"
        },
        "at_most": {"penalty-graded": 1, "corpus-graded": 1, "results-graded": 2},
    },
    {
        "name": "the first reference counts",
        "cells": {
            "length": "def closest_length(candidate, references):\n    return len(references[0])"
        },
        "at_most": {"penalty-graded": 1, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "penalty c / r without the exponential",
        "cells": {"penalty": "def brevity_penalty(c, r):\n    return min(1.0, c / r)"},
        "at_most": {"penalty-graded": 2, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "long candidates are rewarded: the minimum with 0 is missing",
        "cells": {
            "penalty": "def brevity_penalty(c, r):\n    return math.exp(1 - r / c) if c else 0.0"
        },
        "at_most": {"penalty-graded": 2, "results-graded": 1},
    },
    {
        "name": "penalty upside down: c / r instead of r / c",
        "cells": {
            "penalty": "def brevity_penalty(c, r):\n    return math.exp(min(0.0, 1 - c / r))"
        },
        "at_most": {"penalty-graded": 2, "corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "corpus: the mean of the sentence scores, precisions and penalties",
        "cells": {
            "corpus": CORPUS.format(
                wrong="precisions = [sum(m / (t or 1) for m, t in row) / len(row) for row in counts]\n"
                "    penalty = sum(map(brevity_penalty, *lengths)) / len(sentences)\n"
                "    score = sum(brevity_penalty(*ls) * math.prod((m / (t or 1)) ** w "
                "for (m, t), w in zip(row, weights)) for row, ls in zip(zip(*counts), zip(*lengths))) "
                "/ len(sentences)",
            )
        },
        "at_most": {"corpus-graded": 0, "results-graded": 1},
    },
    {
        "name": "corpus: all sentences joined to one long text",
        "cells": {
            "corpus": CORPUS.format(
                wrong="long = sum(candidates, []), [sum((rs[0] for rs in references), [])]\n"
                "    precisions = [m / (t or 1) for m, t in (clipped_counts(*long, n) for n in orders)]\n"
                "    " + RIGHT_SCORE,
            )
        },
        "at_most": {"corpus-graded": 1, "results-graded": 1},
    },
    {
        "name": "corpus: the ordinary mean of the precisions instead of the geometric one",
        "cells": {
            "corpus": CORPUS.format(
                wrong="score = penalty * sum(w * p for p, w in zip(precisions, weights))"
            )
        },
        "at_most": {"corpus-graded": 2, "results-graded": 1},
    },
    {
        "name": "corpus: the penalty is left out of the score",
        "cells": {
            "corpus": CORPUS.format(
                wrong="score = math.prod(p**w for p, w in zip(precisions, weights))"
            )
        },
        "at_most": {"corpus-graded": 2, "results-graded": 1},
    },
    {
        "name": "corpus: the weights are ignored",
        "cells": {
            "corpus": CORPUS.format(
                wrong="score = penalty * math.prod(precisions) ** (1 / len(precisions))"
            )
        },
        "at_most": {"corpus-graded": 3, "results-graded": 1},
    },
    {
        "name": "corpus: orders without a match are left out instead of making the score 0",
        "cells": {
            "corpus": CORPUS.format(
                wrong="score = penalty * math.prod(p**w for p, w in zip(precisions, weights) if p)"
            )
        },
        "at_most": {"corpus-graded": 3, "results-graded": 1},
    },
    {
        "name": "table: the notes' column is the paper's score again",
        "cells": {"evaluate": EVALUATE.format(weights="(1 / 4,) * 4", mean=MEAN, wrong="pass")},
        "at_most": {"results-graded": 1},
    },
    {
        "name": "table: the corpus score stands in the column of means",
        "cells": {"evaluate": EVALUATE.format(weights=NOTES, mean="paper['score']", wrong="pass")},
        "at_most": {"results-graded": 2},
    },
    {
        "name": "table: sentences that score 0 are left out of the mean",
        "cells": {
            "evaluate": EVALUATE.format(
                weights=NOTES, mean=MEAN, wrong="single = [s for s in single if s] or [0.0]"
            )
        },
        "at_most": {"results-graded": 2},
    },
    {
        "name": "table: scores times 100",
        "cells": {
            "evaluate": EVALUATE.format(
                weights=NOTES, mean=MEAN, wrong="paper['score'] *= 100; notes['score'] *= 100"
            )
        },
        "at_most": {"results-graded": 2},
    },
    {
        "name": "places: each pair in both directions",
        "cells": {"places": PLACES.format(rule="(a[one] - b[one]) * (a[other] - b[other]) < 0")},
        "at_most": {"results-graded": 2},
    },
    {
        "name": "places: ties count as a change",
        "cells": {"places": PLACES.format(rule="a[one] > b[one] and a[other] <= b[other]")},
        "at_most": {"results-graded": 2},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "ngrams": "from labnotes.metrics import ngrams",
            "clipped": "from labnotes.metrics import clipped_counts",
            "length": "from labnotes.metrics.bleu import closest_length",
            "penalty": "from labnotes.metrics.bleu import brevity_penalty",
            "corpus": "from nltk.translate.bleu_score import corpus_bleu",
            "evaluate": "from sacrebleu.metrics import BLEU as evaluate",
            "places": "from d2l.torch import bleu as changed_places",
        },
        "at_most": {
            "clipped-graded": 0,
            "penalty-graded": 0,
            "corpus-graded": 0,
            "results-graded": 0,
        },
    },
]
