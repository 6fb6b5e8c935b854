"""Data from outside the course: fit_many gives what model.fit gives. `make bench-data` also times it."""

import pytest

from benchmarks import own_data


@pytest.mark.parametrize("name", own_data.TASKS)
def test_a_task_trains_as_in_keras(name):
    assert own_data.difference(*own_data.TASKS[name](), seeds=[1, 4]) < 1e-8
