"""The checkers of start/reading-papers accept right answers and refuse the usual wrong ones."""

from math import prod

from ..planted import answers


def pass_by_pass(papers, hours, shares):
    total = 0.0
    for each, share in zip(hours, [*shares, 0.0], strict=True):
        total, papers = total + papers * each, papers * share
    return total


def by_products(papers, hours, shares):
    return papers * sum(h * prod(shares[:i]) for i, h in enumerate(hours))


def walked(paper, cites):
    found, waiting = set(), list(cites[paper])
    while waiting:
        earlier = waiting.pop()
        if earlier not in found:
            found.add(earlier)
            waiting += cites[earlier]
    return sorted(found)


def recursive(paper, cites):
    return sorted({e for p in cites[paper] for e in [p, *recursive(p, cites)]})


RIGHT = {"reading_hours": [pass_by_pass, by_products], "ancestors": [walked, recursive]}
WRONG = {
    "reading_hours": {
        "zeros": lambda n, h, s: 0.0,
        "nan": lambda n, h, s: float("nan"),
        "all to the end": lambda n, h, s: n * sum(h),
        "the last share alone": lambda n, h, s: n * sum(a * b for a, b in zip(h, [1.0, *s])),
        "shares one late": lambda n, h, s: (
            n * sum(x * prod(s[: max(i - 1, 0)]) for i, x in enumerate(h))
        ),
        "shares one early": lambda n, h, s: n * sum(x * prod(s[: i + 1]) for i, x in enumerate(h)),
        "first pass forgotten": lambda n, h, s: by_products(n, h, s) - n * h[0],
        "last pass forgotten": lambda n, h, s: by_products(n, h[:-1], s[:-1]),
        "of one paper": lambda n, h, s: by_products(1, h, s),
        "rounded down": lambda n, h, s: by_products(n, h, s) // 1,
        "a list": lambda n, h, s: [by_products(n, h, s)],
        "no answer": lambda n, h, s: None,
    },
    "ancestors": {
        "none": lambda p, c: [],
        "the cited alone": lambda p, c: sorted(c[p]),
        "with itself": lambda p, c: sorted([p, *walked(p, c)]),
        "everything else": lambda p, c: sorted(set(c) - {p}),
        "two steps": lambda p, c: sorted({e for q in c[p] for e in c[q]}),
        "reversed": lambda p, c: walked(p, c)[::-1],
        "twice": lambda p, c: sorted(e for q in c[p] for e in [q, *c[q]]),
        "a set": lambda p, c: set(walked(p, c)),
        "those that cite it": lambda p, c: sorted(q for q in c if p in c[q]),
        "the first": lambda p, c: walked(p, c)[:1],
        "no answer": lambda p, c: None,
    },
}

TestAnswers = answers("reading_papers", RIGHT, WRONG)
