"""After a change, all cells that it concerns run again, and the others don't."""

import pytest

from course_utils.tools.stale import stale

DATA, ANSWER, CHECK, OTHER, LAST = (
    "import numpy as np\nx = np.arange(3)", "def double(values):\n    return 2 * values", "judge(double)",
    "def triple(values):\n    return double(values) + values", "triple(x)")
CELLS = [DATA, ANSWER, CHECK, OTHER, LAST]


def changed(place, source):
    return [*CELLS[:place], source, *CELLS[place + 1:]]


@pytest.mark.parametrize(("after", "runs"), [
    (CELLS, [0, 0, 0, 0, 0]),
    (changed(1, "def double(values):\n    return values + values"), [0, 1, 1, 1, 1]),
    (changed(3, "def triple(values):\n    return 3 * values"), [0, 0, 0, 1, 1]),
    (changed(0, "import numpy as np\nx = np.arange(4)"), [1, 0, 0, 0, 1]),
    (changed(2, "judge(double, 3)"), [0, 0, 1, 0, 0]),
    ([*CELLS[:2], "print('new')", *CELLS[2:]], [0, 0, 1, 0, 0, 0]),
    ([*CELLS, "x = 5"], [1, 0, 0, 0, 1, 1]),   # from now on, x has two values, and the last cell needs the first
    ([*CELLS, "x[0] = 5"], [1, 0, 0, 0, 1, 1]),
    ([*CELLS, "x.sort()"], [1, 0, 0, 0, 1, 1]),
    ([*CELLS, "np.random.seed(0)"], [0, 0, 0, 0, 0, 1]),
], ids=str)
def test_what_a_change_concerns_runs_again(after, runs):
    assert stale(CELLS, after) == (list(map(bool, runs)), set())


def test_a_cell_that_reads_what_is_overwritten_later_runs_after_its_source():
    cells = ["x = 1", "print(x)", "x = 2", "print(x + x)"]
    assert stale(cells, [cells[0], "print(-x)", *cells[2:]])[0] == [True] * 4


def test_what_no_cell_defines_anymore_is_forgotten():
    assert stale(CELLS, [CELLS[0], *CELLS[2:]]) == ([False, True, True, True], {"double"})


@pytest.mark.parametrize("source", ["%matplotlib inline", "from numpy import *", "x = = 2"])
def test_what_cannot_be_followed_runs_everything(source):
    assert stale(CELLS, [*CELLS, source]) is None
    assert stale([*CELLS, source], [*CELLS, source])[0] == [False] * 6
