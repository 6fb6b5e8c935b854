"""Quizzes give nothing away, and explain every answer."""

import tomllib

import pytest

from course_utils import quiz
from tests.helpers.sentences import refused

QUESTIONS = [(path.stem, key) for path in sorted(quiz.FOLDER.glob("*.toml"))
             for key in tomllib.loads(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("lecture", "key"), QUESTIONS)
def test_every_question_has_one_right_answer_and_a_reason_for_each(lecture, key):
    asked = quiz.ask(lecture, key)
    assert sum(answer.get("right", False) for answer in asked.answers) == 1
    assert len(asked.answers) >= 3
    assert all(len(answer["because"]) > 20 for answer in asked.answers)


def test_as_text_it_gives_nothing_away():
    asked = quiz.Quiz("Why?", [{"says": "this", "because": "secret", "right": True}])
    assert repr(asked) == "Why?\n  ( ) this"


def test_as_html_it_is_closed_escaped_and_marked_up():
    shown = quiz.Quiz("Is `a < b`?", [{"says": "*yes*", "because": "so", "right": True}])._repr_html_()
    assert "<code>a &lt; b</code>" in shown
    assert "<summary style='cursor:pointer'><em>yes</em></summary>" in shown
    assert "<details open" not in shown


def test_an_unknown_question_is_one_sentence():
    with refused(KeyError, match="Lecture 07 has no question 'color'; it has rates"):
        quiz.ask("07", "color")
    with refused(KeyError, match="no questions for lecture '77'"):
        quiz.ask("77", "rates")
