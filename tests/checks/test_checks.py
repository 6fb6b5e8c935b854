"""Checks accept every right way of writing an answer and reject wrong ones with the right message."""

import importlib
import pkgutil

import numpy as np
import pytest

from course_utils import checks
from course_utils.checks import batch_normalization as bn
from tests.checks import answers
from tests.checks.answers import batch_normalization

EXERCISES = [importlib.import_module(f"tests.checks.answers.{found.name}")
             for found in pkgutil.iter_modules(answers.__path__)]
ALL = [question for exercise in EXERCISES for question in exercise.ALL]
UNANSWERED = {number: answers for exercise in EXERCISES for number, answers in exercise.UNANSWERED.items()}


@pytest.mark.parametrize(("number", "check", "answer"), [
    pytest.param(number, check, answer, id=f"{number} {getattr(answer, '__name__', place)}")
    for number, check, right, _ in ALL for place, answer in enumerate(right)])
def test_a_right_answer_passes(number, check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(f"✓ {number} ")


@pytest.mark.parametrize(("number", "check", "answer", "message"), [
    pytest.param(number, check, answer, message, id=f"{number} {name}: {message}")
    for number, check, _, wrong in ALL for name, (answer, message) in wrong.items()])
def test_a_wrong_answer_gets_the_right_message(number, check, answer, message, capsys):
    check(answer)
    said = capsys.readouterr()
    assert said.out.startswith(f"✗ {number} ")
    assert said.out.count("\n") == 1
    assert message in said.out
    assert said.err == ""


@pytest.mark.parametrize(("number", "check"), [(number, check) for number, check, _, _ in ALL],
                         ids=[number for number, *_ in ALL])
def test_no_answer_is_no_mistake(number, check, capsys):
    def documented(*arguments):
        """What the exercise says."""
        ...

    for answer in UNANSWERED.get(number, [..., documented]):
        check(answer)
        assert capsys.readouterr().out == f"· {number} not answered yet\n"


def test_every_question_of_every_exercise_has_right_and_wrong_answers():
    from course_utils.checks import exercise

    asked = [number for numbers in [*exercise.titles().values(), *checks.RETIRED.values()] for number in numbers]
    assert sorted(asked) == sorted(number for number, *_ in ALL)
    for number, _, right, wrong in ALL:
        assert len(right) >= 2, f"{number} needs two right answers, written differently"
        assert len(wrong) >= 4, f"{number} needs four plausible wrong answers with their messages"


# The machinery


def test_an_error_deep_inside_a_library_is_told_by_the_learners_line(capsys):
    def answer(x, gamma, beta, epsilon):
        return np.linalg.inv(x[:, :2])   # not square

    bn.forward(answer)
    assert capsys.readouterr().out == ("✗ 2.1 your line `return np.linalg.inv(x[:, :2])   # not square` stops with "
                                       "LinAlgError: Last 2 dimensions of the array must be square\n")


@pytest.mark.parametrize("error", [RecursionError("too deep"), SystemExit(3), ValueError(), ValueError("one\ntwo")],
                         ids=repr)
def test_no_error_escapes_from_a_check(error, capsys):
    def answer(*arguments):
        raise error

    bn.forward(answer)
    said = capsys.readouterr().out
    assert said.startswith(f"✗ 2.1 your line `raise error` stops with {type(error).__name__}")
    assert said.count("\n") == 1


def test_what_an_answer_prints_and_warns_of_is_swallowed(capfd):
    import os
    import sys
    import warnings

    def answer(*arguments):
        print("out")
        print("err", file=sys.stderr)
        os.write(2, b"from C")
        warnings.warn("careful", stacklevel=1)
        return batch_normalization.forward(*arguments)

    bn.forward(answer)
    said = capfd.readouterr()
    assert said.out.startswith("✓ 2.1")
    assert said.out.count("\n") == 1
    assert said.err == ""


def test_numerical_gradients_are_those_of_an_automatic_differentiation():
    rng = np.random.default_rng(3)
    x, dout, gamma = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=3)
    for ours, theirs in zip(bn.numerical_gradients(dout, x, gamma, 0.1),
                            batch_normalization.backward_in_tensorflow(dout, x, gamma, 0.1), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_a_check_says_the_same_every_time(capsys):
    for _ in range(2):
        bn.forward(lambda x, gamma, beta, epsilon: x + np.random.normal(size=x.shape))
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_every_check_cell_of_a_key_was_run_and_passed():
    import nbformat

    assert list(checks.KEYS.glob("*.ipynb"))
    for path in checks.KEYS.glob("*.ipynb"):
        for cell in nbformat.read(path, 4).cells:
            assert cell.execution_count is not None   # nbval compares nothing otherwise
            assert [output.name for output in cell.outputs] == ["stdout"]
            assert cell.outputs[0].text.startswith("✓ ")
            assert cell.metadata.tags == ["nbval-check-output"]
            assert cell.source.startswith("from course_utils.checks import ")
