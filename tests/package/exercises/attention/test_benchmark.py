"""The checkers of the chapter attention/benchmark take right answers and no wrong ones."""

from collections import Counter

from labnotes.exercises import check

from ..planted import answers


def words(sentences):
    return [word for sentence in sentences for word in sentence]


def share(train, test):
    known, running = set(words(train)), words(test)
    return sum(word not in known for word in running) / len(running) if running else 0.0


def counted(train, test):
    """By counts of types, which is the same."""
    counts = Counter(words(test))
    total = sum(counts.values())
    for word in set(words(train)):
        counts.pop(word, None)
    return sum(counts.values()) / max(total, 1)


def of_types(train, test):
    types = set(words(test))
    return len(types - set(words(train))) / max(len(types), 1)


def by_train(train, test):
    return share(train, test) * len(words(test)) / max(len(words(train)), 1)


def of_sentences(train, test):
    known = set(words(train))
    return sum(not known >= set(s) for s in test) / max(len(test), 1)


def mean_of_sentences(train, test):
    return sum(share(train, [s]) for s in test) / max(len(test), 1)


def within_words(train, test):
    text, running = " ".join(words(train)), words(test)
    return sum(word not in text for word in running) / max(len(running), 1)


def any_case(train, test):
    train, test = ([[w.lower() for w in s] for s in part] for part in (train, test))
    return share(train, test)


def jaccard(a, b):
    return len(set(a) & set(b)) / len(set(a) | set(b))


def multiset(a, b):
    a, b = Counter(a), Counter(b)
    return sum((a & b).values()) / sum((a | b).values())


def best(query, sentences, overlap=jaccard, last=False):
    found = [overlap(query, sentence) for sentence in sentences]
    return len(found) - 1 - found[::-1].index(max(found)) if last else found.index(max(found))


def by(overlap):
    return lambda query, sentences: best(query, sentences, overlap)


TestBenchmark = answers(
    "benchmark",
    right={
        "unknown_share": [share, counted],
        "nearest": [
            best,
            lambda q, s: max(range(len(s)), key=lambda i: jaccard(q, s[i])),
            # Dice's coefficient, 2J / (1 + J), puts sentences in the same order.
            by(lambda a, b: 2 * len(set(a) & set(b)) / (len(set(a)) + len(set(b)))),
        ],
    },
    wrong={
        "unknown_share": {
            "types": of_types,
            "divided by train": by_train,
            "sentences": of_sentences,
            "the mean over sentences": mean_of_sentences,
            "the other way round": lambda train, test: share(test, train),
            "the share that is known": lambda train, test: 1 - share(train, test),
            "parts of words": within_words,
            "capitals are ignored": any_case,
            "a count": lambda train, test: share(train, test) * len(words(test)),
            "a percentage": lambda train, test: 100 * share(train, test),
            "off by one": lambda train, test: (
                share(train, test) * len(words(test)) / (len(words(test)) + 1)
            ),
            "an empty test is unknown": lambda train, test: share(train, test) if test else 1.0,
            "zeros": lambda train, test: 0.0,
            "nan": lambda train, test: float("nan"),
            "a string": lambda train, test: f"{share(train, test):.0%}",
        },
        "nearest": {
            "common words, not divided": by(lambda a, b: len(set(a) & set(b))),
            "divided by the query": by(lambda a, b: len(set(a) & set(b)) / len(set(a))),
            "divided by the sentence": by(lambda a, b: len(set(a) & set(b)) / len(set(b))),
            "divided by the shorter": by(
                lambda a, b: len(set(a) & set(b)) / min(len(set(a)), len(set(b)))
            ),
            "multiset": by(multiset),
            "repeated words in the divisor": by(
                lambda a, b: len(set(a) & set(b)) / (len(a) + len(b))
            ),
            "place by place": by(lambda a, b: sum(x == y for x, y in zip(a, b))),
            "characters": by(lambda a, b: jaccard(" ".join(a), " ".join(b))),
            "last of equals": lambda q, s: best(q, s, last=True),
            "the furthest": by(lambda a, b: -jaccard(a, b)),
            "the sentence itself": lambda q, s: s[best(q, s)],
            "the index of Jaccard": lambda q, s: jaccard(q, s[best(q, s)]),
            "off by one": lambda q, s: best(q, s) + 1,
            "none where no word agrees": lambda q, s: (
                best(q, s) if jaccard(q, s[best(q, s)]) else -1
            ),
            "zeros": lambda q, s: 0,
            "a float": lambda q, s: float(best(q, s)),
        },
    },
)


def test_sentences_without_a_word_are_asked_for_too(capsys):
    def careless(train, test):
        return share(train, test) if not test or words(test) else 0 / len(words(test))

    assert check("benchmark.unknown_share", careless) is False
    assert "ZeroDivisionError" in capsys.readouterr().out
