"""What exercise 06 plants is what its checks say of it, and its judge of halving agrees with the course's own."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import stats
from course_utils.checks import hyperparameter_tuning as ht
from course_utils.datasets.split import TestSetReopened
from course_utils.experiments import exercises, tabular
from course_utils.search import pruning
from tests.checks.answers import hyperparameter_tuning as answers


def gap(knob, first, second):
    found = stats.paired_difference(exercises.studies()[knob], knob, between=(first, second))
    return float(found["low"]), float(found["high"])


def test_the_isolation_plots_allow_what_the_letters_say():
    momentum, width = (stats.interval(exercises.studies()[knob]) for knob in ("momentum", "width"))
    assert int(momentum["mean"].argmax("momentum")) == 3
    assert gap("momentum", 0.8, 0.9)[0] > 0   # c: allowed …
    assert gap("momentum", 0.95, 0.9)[0] > 0
    assert momentum["high"].sel(momentum=0.8) > momentum["low"].sel(momentum=0.9)   # … although the bars overlap
    for size in (8, 16, 64, 128):
        low, high = gap("batch_size", 32, size)
        assert -0.01 < low < 0 < high < 0.01   # nearly the same; that they are the same is not shown
    assert (np.diff(width["mean"]) > 0).all()
    assert gap("width", 128, 256)[0] > 0
    assert gap("optimizer", "SGD", "Adam")[0] > 0   # it is the budget that forbids the conclusion
    assert exercises.studies()["optimizer"].trials.values.tolist() == [12, 60]


def test_the_manuscript_promises_too_much_at_the_edge_of_its_range():
    sent = exercises.search_manuscript()
    best = int(np.argmax(sent.theirs.values))
    assert sent.sizes["trial"] == 200
    assert (sent.theirs.values == sent.theirs.values[best]).sum() == 1
    assert sent.theirs[best] - sent.fresh[best] > 0.03
    assert sent.learning_rate[best] > 0.045   # of at most 0.05
    assert sent.learning_rate.max() <= 0.05
    assert int(np.argmax(sent.fresh.values)) != best


def test_the_capstone_counts_how_often_it_is_opened():
    task = exercises.capstone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TestSetReopened)
        for _ in range(2):
            x, y = task.open_test()
    assert task.looks == ["opened", "opened"]
    assert task.replace(x_val=task.x_train).looks == task.looks
    assert task.test[0] is x
    assert task.looks[2:] == ["read"]
    assert len(exercises.capstone().looks) == 0
    assert (len(task.x_train), len(x), len(y)) == (300, 360, 360)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(2, 4), st.integers(0, 10**6))
def test_right_halvings_agree_with_the_course(count, first, factor, seed):
    curves = np.random.default_rng(seed).random((count, tabular.EPOCHS))
    curves[::5] = np.nan
    curves[0] = 0.5
    configurations = [{"name": str(place)} for place in range(count)]
    wanted = pruning.successive_halving(curves, factor=factor, first=first)
    for answer in answers.HALVINGS:
        best, _, spent = answer(lambda one, epochs: curves[int(one["name"]), epochs - 1], configurations, first,
                                tabular.EPOCHS, factor)
        assert (int(best["name"]), spent) == (wanted.chosen, wanted.spent)


@pytest.mark.parametrize("search", answers.SEARCHES, ids=lambda search: search.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_the_scales_are_judged_without_false_alarm(search, seed):
    space = {"width": [8, 16, 32, 64], "l2": ("log", 1e-5, 0.1), "dropout": ("uniform", 0.0, 0.6)}
    asked = []
    search(lambda params: asked.append(params) or 0.0, space, ht.MANY, seed)
    ht._draws(asked, space)
