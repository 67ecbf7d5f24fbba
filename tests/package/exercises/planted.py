"""What every chapter's checkers must do with right answers, with wrong ones and with stubs."""

import pytest

from labnotes.exercises import check


def answers(chapter: str, right: dict, wrong: dict) -> type:
    """The tests of the checkers of a chapter, as a class for pytest to find.

    `right` holds ``{exercise: [answer, ...]}``, `wrong` ``{exercise: {what is wrong: answer}}``.
    """

    class Answers:
        @pytest.mark.parametrize(("name", "answer"), [(n, f) for n in right for f in right[n]])
        def test_a_right_answer_passes(self, name, answer, capsys):
            assert check(f"{chapter}.{name}", answer) is True
            assert "all" in capsys.readouterr().out

        @pytest.mark.parametrize(
            ("name", "answer"),
            [pytest.param(n, f, id=f"{n}: {what}") for n in wrong for what, f in wrong[n].items()],
        )
        def test_a_planted_wrong_answer_fails_and_says_what_was_called(self, name, answer, capsys):
            assert check(f"{chapter}.{name}", answer) is False
            out = capsys.readouterr().out
            assert f"✗ {chapter}.{name}" in out and "called" in out and "hint" in out
            assert "expected" in out or "raised" in out

        @pytest.mark.parametrize("name", right)
        def test_a_stub_is_told_kindly_that_it_is_not_written_yet(self, name, capsys):
            def stub(*args, **kwargs):
                raise NotImplementedError("Begin with one row.")

            assert check(f"{chapter}.{name}", stub) is False
            out = capsys.readouterr().out
            assert "not written yet. Begin with one row." in out and "✗" not in out

    return Answers
