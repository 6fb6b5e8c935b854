"""After a change, all cells that it concerns run again, and the others don't."""

import pytest

from course_utils.tools.stale import stale

DATA, ANSWER, CHECK, OTHER, LAST = (
    "import numpy as np\nx = np.arange(3)", "def double(values):\n    return 2 * values", "judge(double)",
    "def triple(values):\n    return double(values) + values", "triple(x)")
CELLS = [DATA, ANSWER, CHECK, OTHER, LAST]


def changed(place, source):
    return [*CELLS[:place], source, *CELLS[place + 1:]]


@pytest.mark.parametrize(("after", "runs", "forgotten"), [
    (CELLS, [0, 0, 0, 0, 0], set()),
    (changed(1, "def double(values):\n    return values + values"), [0, 1, 1, 1, 1], {"double", "triple"}),
    (changed(3, "def triple(values):\n    return 3 * values"), [0, 0, 0, 1, 1], {"triple"}),
    (changed(0, "import numpy as np\nx = np.arange(4)"), [1, 0, 0, 0, 1], {"np", "x"}),
    (changed(2, "judge(double, 3)"), [0, 0, 1, 0, 0], set()),
    ([*CELLS[:2], "print('new')", *CELLS[2:]], [0, 0, 1, 0, 0, 0], set()),
    # From now on, x has two values, and the last cell needs the first.
    *(([*CELLS, cell], [1, 0, 0, 0, 1, 1], {"np", "x"}) for cell in (
        "x = 5", "x[0] = 5", "x[0], x[1] = x[1], x[0]", "x.sort()", "last = x.pop()")),
    ([*CELLS, "np.random.seed(0)"], [0, 0, 0, 0, 0, 1], set()),
    ([*CELLS[:2], CELLS[2], *CELLS[4:], CELLS[3]], [0, 0, 0, 1, 1], {"triple"}),   # used before it is defined
])
def test_what_a_change_concerns_runs_again(after, runs, forgotten):
    assert stale(CELLS, after) == (list(map(bool, runs)), forgotten)


def test_a_cell_that_reads_what_is_overwritten_later_runs_after_its_source():
    cells = ["x = 1", "print(x)", "x = 2", "print(x + x)"]
    assert stale(cells, [cells[0], "print(-x)", *cells[2:]])[0] == [True] * 4


def test_a_model_that_is_trained_is_made_anew():
    cells = ["model = build()", "history = model.fit(x, y)", "print(history)"]
    assert stale(cells, [cells[0], "history = model.fit(x, y, epochs=2)", cells[2]])[0] == [True] * 3


def test_an_imported_name_may_be_assigned():
    cells = ["from data import digits\ndigits = digits(3)", "print(digits)"]
    assert stale(cells, ["from data import digits\ndigits = digits(4)", cells[1]]) == ([True, True], {"digits"})


def test_what_no_cell_defines_anymore_is_forgotten():
    assert stale(CELLS, [CELLS[0], *CELLS[2:]]) == ([False, True, True, True], {"double", "triple"})


@pytest.mark.parametrize("source", ["%matplotlib inline", "from numpy import *", "x = = 2"])
def test_what_cannot_be_followed_runs_everything(source):
    assert stale(CELLS, [*CELLS, source]) is None
    assert stale([*CELLS, source], [*CELLS, source])[0] == [False] * 6
