"""The source's form, what is taken out of it, and the build's controls."""

import re
import struct
from pathlib import Path

import nbformat
import pytest
from conftest import ASSIGNMENTS

from labnotes_classroom.build import build, secrets
from labnotes_classroom.course import Course, CourseError
from labnotes_classroom.jail import seccomp
from labnotes_classroom.restore import blank
from labnotes_classroom.source import KINDS, SourceError, is_kind, markers, read, stub, task

TINY = (ASSIGNMENTS / "tiny.md").read_text()


def changed(folder, *changes):
    """The tiny assignment with replacements, in a folder of its own."""
    text = TINY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "assignments").mkdir()
    (folder / "nbgrader_config.py").write_bytes(
        (ASSIGNMENTS.parent / "nbgrader_config.py").read_bytes()
    )
    path = folder / "assignments" / "tiny.md"
    path.write_text(text)
    return path


def test_each_kind_becomes_what_nbgrader_calls_it():
    assignment = read(ASSIGNMENTS / "tiny.md", "install")
    found = {task(c)["id"]: c for c in assignment.notebook.cells if task(c)}
    assert {task(c)["kind"] for c in found.values()} == set(KINDS)
    for name, cell in found.items():
        about = cell.metadata.nbgrader
        assert about.grade_id == name and cell.id == name
        assert {k: about[k] for k in ("grade", "locked", "solution")} == KINDS[task(cell)["kind"]]
    assert assignment.points("compare") == 6 and assignment.points("written") == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  minutes: 5\n", "", "assignment.minutes is None"),
        ("assignment:", "exercise:", "no `assignment:`"),
        ("id: mean-try, kind: check", "id: mean, kind: check", "several tasks are named mean"),
        ("kind: check", "kind: chekc", "one of given, answer"),
        ("id: mean-try", "id: Mean try", "small letters"),
        ("points: 4", "points: 0", "points 0"),
        ("kind: check", "kind: check, points: 3", "the others none"),
        ("    ### BEGIN SOLUTION\n", "", "needs"),
        ("### END HIDDEN TESTS\n", "", "needs"),
        ('"points": 2}}', '"points": 20}}', "at least half"),
        ("numbers = [1.0, 2.0, 6.0]", "### BEGIN SOLUTION\n### END SOLUTION", "needs"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused(tmp_path, old, new, said):
    with pytest.raises(SourceError, match=said):
        read(changed(tmp_path, (old, new)), "install")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("    return total / len(values)\n", "    return total / no_such_name\n")], "no_such_name"),
        ([("numbers = [1.0, 2.0, 6.0]", "from statistics import mean")], "fails in cell setup"),
        ([("[mean([4.0, 9.0]), mean([7.5])]", "[0.0, 0]")], "a blank answer could give it"),
        ([("[mean([4.0, 9.0]), mean([7.5])]", "float('nan')")], "cannot be compared"),
        ([("[mean([4.0, 9.0]), mean([7.5])]", "object()")], "no dict of plain values"),
        ([("[mean([4.0, 9.0]), mean([7.5])]", "5.5"), ('"many": mean([float(n * n) for n in range(100)])', '"a": 1')],
         "points for nothing"),
        ([("total = sum(values)\n", "total = sum(values)\n    while True: pass\n")], "KeyboardInterrupt"),
        ([("numbers = [1.0, 2.0, 6.0]",
           "numbers = [1.0, 2.0, 6.0]\n# total = sum(values)\n    total = sum(values)\n    return total / len(values)")],
         "fails in cell setup|hidden part"),
    ],
)  # fmt: skip
def test_a_course_with_a_failing_control_is_not_built(tmp_path, jailed, changes, said):
    course = Course(tmp_path / "course")
    with pytest.raises(CourseError, match=said):
        build(changed(tmp_path, *changes).parent, course, [])
    for kind in ("source", "release", "solution"):
        assert not course.notebook(kind, "tiny").exists()


def test_a_solution_that_shows_in_a_released_cell_is_refused(tmp_path, jailed):
    hint = '"""\ntotal = sum(values)\n    return total / len(values)\n"""\nnumbers ='
    path = changed(tmp_path, ("numbers =", hint.replace('"""\ntotal', '"""\n    total')))
    with pytest.raises(CourseError, match="holds a hidden part"):
        build(path.parent, Course(tmp_path / "course"), [])


def test_nothing_to_build_is_an_error(tmp_path):
    (tmp_path / "assignments").mkdir()
    with pytest.raises(CourseError, match="no assignment"):
        build(tmp_path / "assignments", Course(tmp_path / "course"), [])
    with pytest.raises(CourseError, match="has no absent"):
        build(ASSIGNMENTS, Course(tmp_path / "course"), ["absent"])


def test_the_release_holds_no_solution_no_hidden_test_and_no_marker(built):
    master = Course(built).master("tiny")
    text = Course(built).notebook("release", "tiny").read_text()
    hidden = [line.strip() for c in master.cells for s in secrets(c) for line in s.split("\n")]
    assert len(hidden) >= 6
    for line in hidden:
        if len(line) > 15:
            assert line not in text.replace('\\"', '"'), line
    assert markers(text) == []
    assert "tolerance" not in text and '"task"' not in text


def test_two_builds_give_the_same_bytes(built, tmp_path, jailed):
    again = Course(tmp_path / "again")
    build(ASSIGNMENTS, again, [])
    for kind in ("source", "release"):
        first = Course(built).notebook(kind, "tiny").read_bytes()
        assert first == again.notebook(kind, "tiny").read_bytes()


def test_the_instructors_solution_has_outputs_and_no_error(built):
    solution = nbformat.read(Course(built).notebook("solution", "tiny"), 4)
    outputs = [o for c in solution.cells if c.cell_type == "code" for o in c.outputs]
    assert any("right for three" in o.get("text", "") for o in outputs)
    assert all(o.output_type != "error" for o in outputs)


def test_a_blank_submission_keeps_the_hidden_tests_and_no_solution(built):
    master = Course(built).master("tiny")
    notebook = blank(master)
    for cell in notebook.cells:
        original = next(c for c in master.cells if c.id == cell.id)
        if is_kind(cell, "answer", "written"):
            assert "SOLUTION" not in cell.source and cell.source == stub(original)
        else:
            assert cell.source == original.source


@pytest.mark.parametrize("machine", sorted(seccomp.MACHINES))
def test_the_filter_decides_as_it_should_for_every_call(machine):
    """Run by an interpreter of classic BPF: the seven instructions that the filter uses."""
    architecture, calls = seccomp.MACHINES[machine]
    partly = seccomp.PARTLY[machine]
    text = seccomp.program(machine)
    lines = [struct.unpack_from("=HBBI", text, at) for at in range(0, len(text), 8)]
    allow, refuse, missing = 0x7FFF0000, 0x00050001, 0x00050026

    def decide(number, processor=architecture, first=0, second=0, fourth=0):
        at, value = 0, None
        while True:
            code, yes, no, k = lines[at]
            if code == 0x06:
                return k
            if code == 0x20:
                given = {0: number, 4: processor, 16: first, 24: second, 40: fourth}
                value, at = given[k], at + 1
            elif code == 0x54:
                value, at = value & k, at + 1
            else:
                holds = {0x15: value == k, 0x45: bool(value & k), 0x35: value >= k}[code]
                at += 1 + (yes if holds else no)

    for number in range(600):
        expected = refuse if number in {*calls.values(), partly["socket"]} else allow
        assert decide(number) == (missing if number == partly["clone3"] else expected), number
    assert decide(0x40000000 + 319) == refuse
    assert decide(319, 0x40000003) == 0x80000000
    numbers = [*calls.values(), *partly.values()]
    assert len(set(numbers)) == len(numbers)
    thread = 0x003D0F00  # what the C library asks for
    for flags, decided in ((17, allow), (thread, allow), (thread | 0x10000000, refuse), (0x40000000, refuse)):  # fmt: skip
        assert decide(partly["clone"], first=flags) == decided
    assert decide(partly["fcntl"], second=1) == allow
    for lease in (1024, 1040):
        assert decide(partly["fcntl"], first=lease, second=lease) == refuse
    for family in range(50):
        decided = allow if family in (1, 2, 10, 16) else refuse
        assert decide(partly["socket"], first=family) == decided
    for flags, decided in ((0x21, refuse), (0x23, refuse), (0x48021, refuse), (0x22, allow), (0x20022, allow), (1, allow)):  # fmt: skip
        assert decide(partly["mmap"], fourth=flags) == decided
    assert decide(partly["prlimit64"]) == allow and decide(partly["prlimit64"], first=1) == refuse


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_of_the_calls_are_those_of_linux(machine, header):
    if not Path(header).exists():
        pytest.skip("the headers of Linux are not installed")
    known = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)\b", Path(header).read_text()))
    for name, number in (seccomp.MACHINES[machine][1] | seccomp.PARTLY[machine]).items():
        assert int(known.get(name, number)) == number, name  # an older header lacks the newest
