"""Mutants hold one mistake each, and the checks of the exercises reject those that matter."""

import json

import pytest

from tests import mutants

QUESTIONS = mutants.questions()
SAMPLE = ("1.3", "2.4", "3.1", "4.3")   # in the audit, all

ANSWER = '''
def f(x):
    """What to do."""
    if x.ndim > 1:
        x = x - x.mean(axis=0)
    return x.std() + 0 * len(x)
'''
WEAK = '''
import numpy as np
from course_utils.checks import check, expect

@check("9.9", "right")
def judge(f, rng):
    x = rng.normal(size=(7, 4)) + np.arange(4)
    expect(abs(f(x) - (x - x.mean(0)).std()) < 0.12, "another value", "think again")
'''


def test_there_is_a_mutant_for_each_kind_of_mistake():
    found = mutants.mutants(ANSWER)
    for change in ("if x.ndim > 1: → if x.ndim >= 1:", "if x.ndim > 1: → if x.ndim > 2:",
                   "x = x - x.mean(axis=0) → x = x + x.mean(axis=0)", "x = x - x.mean(axis=0) → x = x - x.mean()",
                   "x = x - x.mean(axis=0) → x = x - x.mean(axis=1)", "x = x - x.mean(axis=0) → pass",
                   "return x.std() + 0 * len(x) → return x.std(ddof=1) + 0 * len(x)"):
        assert change in found, list(found)
    assert all('"""What to do."""' in code for code in found.values())
    assert "g(b, a)" in mutants.mutants("g(a, b)")["g(a, b) → g(b, a)"]


def test_what_becomes_of_a_mutant():
    question = mutants.Question("9.9", WEAK, ANSWER, "judge(f)")
    results = mutants.judge(question)
    assert results["x = x - x.mean(axis=0) → pass"] == "killed"   # for this data
    assert results["if x.ndim > 1: → if x.ndim >= 1:"] == "equivalent"   # the check never passes a vector
    assert results["return x.std() + 0 * len(x) → return x.std() - 0 * len(x)"] == "equivalent"
    assert results["return x.std() + 0 * len(x) → return x.std(ddof=1) + 0 * len(x)"] == "survived"   # within 0.12


def test_a_solution_stands_on_the_cells_that_it_needs_and_no_others():
    assert "import numpy" in QUESTIONS["3.1"].before
    assert "fit_many" not in QUESTIONS["3.1"].before
    assert "test_accuracy" in QUESTIONS["6.6"].solution   # in the second of its cells


@pytest.mark.parametrize("number", SAMPLE)
def test_the_checks_kill_a_sample(number):
    assert "survived" not in mutants.judge(QUESTIONS[number], every=2).values()


def test_the_stored_rates_are_of_the_present_questions():
    if mutants.RESULTS.exists():
        counts = json.loads(mutants.RESULTS.read_text(encoding="utf-8"))
        assert counts.keys() == QUESTIONS.keys()
        killed, survived, permitted, equivalent = (sum(count[kind] for count in counts.values())
                                                   for kind in ("killed", "survived", "permitted", "equivalent"))
        assert killed >= 0.97 * (killed + survived)
        assert permitted <= 0.1 * (killed + survived + permitted + equivalent)


@pytest.mark.audit
def test_the_checks_kill_the_mutants_of_all_solutions():
    assert mutants.main([]) == 0
