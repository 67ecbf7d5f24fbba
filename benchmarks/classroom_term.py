"""A term's submissions on one machine: what grading takes in time and memory, and what fails.

Of every ten submissions five are right, two are one of the planted wrong answers, one is blank, one
stops half-way (an error in an answer), and one is hostile or broken: its process ends itself, it never
ends, it asks for all memory, or it is no notebook.

    python benchmarks/classroom_term.py                     # 200 of the assignment `attention`
    python benchmarks/classroom_term.py --assignment bleu --count 50
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat

from labnotes.files import replacing
from labnotes_classroom.build import build
from labnotes_classroom.course import Course
from labnotes_classroom.grade import default_jobs, grade
from labnotes_classroom.source import is_kind, task

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = (
    "import os\nos._exit(0)",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass",
    "held = []\nwhile True:\n    held.append(bytearray(10**8))",
    None,  # no notebook
)


def submission(number: int, release, master, wrong: list[dict]):
    """The notebook that student `number` hands in, or None for a file that is none."""
    notebook = nbformat.from_dict(release)
    right = {task(c)["id"]: c.source for c in master.cells if is_kind(c, "answer", "written")}
    kind = number % 10
    answers = dict(right)
    if kind in (5, 6):
        answers |= wrong[number // 10 % len(wrong)]["cells"]
    elif kind == 7:
        answers = {}
    elif kind in (8, 9):
        bad = "raise ValueError('stuck here')" if kind == 8 else HOSTILE[number // 10 % 4]
        if bad is None:
            return None
        middle = [task(c)["id"] for c in master.cells if is_kind(c, "answer")]
        answers[middle[len(middle) // 2]] = bad
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(name, cell.source)
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assignment", default="attention")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = parser.parse_args()
    name = chosen.assignment
    spec = importlib.util.spec_from_file_location("w", ROOT / f"tests/classroom/wrong/{name}.py")
    planted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planted)
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder) / "course")
        build(ROOT / "classroom" / "assignments", course, [name])
        release = nbformat.read(course.notebook("release", name), 4)
        for number in range(chosen.count):
            path = course.notebook("submitted", name, f"student-{number:03}")
            path.parent.mkdir(parents=True)
            handed_in = submission(number, release, course.master(name), planted.WRONG)
            if handed_in is None:
                path.write_text("no notebook")
            else:
                nbformat.write(handed_in, path)
        started, before = time.perf_counter(), peak()
        results = grade(course, name, jobs=default_jobs(), say=said)
        seconds = time.perf_counter() - started
    ran = [r for r in results if r.seconds]
    kinds = Counter((int(r.student[-3:]) % 10, r.status) for r in results)
    found = {
        "assignment": name,
        "submissions": len(results),
        "statuses": dict(Counter(r.status for r in results)),
        "statuses by kind (number % 10)": {f"{k}: {s}": n for (k, s), n in sorted(kinds.items())},
        "failures": dict(Counter(r.reason for r in results if r.reason)),
        "seconds in all": round(seconds, 1),
        "seconds each (wall, jobs side by side)": summary([r.seconds for r in ran]),
        "MiB each": summary([r.memory for r in ran]),
        "MiB of the grader, before and at most": [round(before), round(peak())],
        "jobs": default_jobs(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "date": datetime.date.today().isoformat(),
    }
    print(json.dumps(found, indent=1))
    if chosen.save:
        target = ROOT / "benchmarks" / "results" / f"classroom_{name}.json"
        target.parent.mkdir(exist_ok=True)
        with replacing(target, "w") as file:
            file.write(json.dumps(found, indent=1) + "\n")


def said(result, number: int, count: int) -> None:
    if number % 20 == 0:
        print(f"{number} of {count}", flush=True)


def summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 1),
        "least": round(min(values), 1),
        "most": round(max(values), 1),
    }


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
