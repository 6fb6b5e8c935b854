"""Checks judge answers in another process as they judge them here."""

import pytest

from tests.checks.test_checks import ALL
from tests.helpers.loopback import remote

HERE = {"6.6"}   # its answers are made anew for each check
FEW = 2   # wrong answers of each question outside the audit


def verdict(check, answer, capsys):
    if isinstance(answer, tuple):
        check(remote(*answer))
    else:
        check(*remote(answer))
    return capsys.readouterr().out


@pytest.mark.parametrize(("number", "check", "answer"), [
    pytest.param(number, check, answer, id=f"{number} {getattr(answer, '__name__', place)}")
    for number, check, right, _ in ALL for place, answer in enumerate(right) if number not in HERE])
def test_a_right_answer_passes(number, check, answer, capsys):
    assert verdict(check, answer, capsys).startswith(f"✓ {number} ")


@pytest.mark.parametrize(("number", "check", "answer", "message"), [
    pytest.param(number, check, answer, message, id=f"{number} {name}: {message}",
                 marks=[pytest.mark.audit] if place >= FEW else [])
    for number, check, _, wrong in ALL for place, (name, (answer, message)) in enumerate(wrong.items())
    if number not in HERE])
def test_a_wrong_answer_gets_the_same_message(number, check, answer, message, capsys):
    said = verdict(check, answer, capsys)
    assert said.startswith(f"✗ {number} ")
    assert message in said
