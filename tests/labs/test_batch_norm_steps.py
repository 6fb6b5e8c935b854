"""The lab of the layer's steps without a browser: pure functions of its state."""

import sys

import numpy as np
import pytest
from scipy import stats

from course_utils import labs
from course_utils.labs import controls
from tests.helpers.lab_states import PNG, closed, pairs

LAB = labs.batch_norm_steps
module = sys.modules[LAB.__module__]


def render(**state):
    return closed(LAB).render(LAB.checked(state))


def test_all_pairs_of_controls_can_be_drawn_and_told():
    for state in pairs(LAB):
        picture, sentence = render(**state)
        assert picture.startswith(PNG)
        assert "nan" not in sentence
        assert "inf" not in sentence
        assert sentence.startswith("Mean and variance of ")
        assert "−0 " not in sentence


def test_the_picture_follows_every_control():
    pictures = {render()[0]} | {render(**{name: control.examples[-1]})[0] for name, control in LAB.controls.items()}
    assert len(pictures) == 1 + len(LAB.controls)


@pytest.mark.parametrize("shape", module.SHAPES)
def test_a_feature_has_the_mean_and_the_spread_it_says(shape):
    x = module.feature(shape, 2.0)
    assert x.mean() == pytest.approx(2 * module.MEAN, abs=0.2)
    assert x.std() == pytest.approx(0 if shape == "constant" else 2, abs=0.2)
    np.testing.assert_array_equal(module.feature(shape, 2.0), x)   # batches are nested, states comparable


@pytest.mark.parametrize("shape", module.SHAPES[:3])
def test_no_step_changes_the_shape(shape):
    runs = closed(LAB).compute(LAB.checked({"shape": shape, "gamma": 2.0, "beta": 1.0}), None)
    for values in runs.values():
        assert stats.skew(values) == pytest.approx(stats.skew(runs["input"]))
        assert stats.kurtosis(values) == pytest.approx(stats.kurtosis(runs["input"]))


def test_every_step_leaves_the_moments_it_should():
    runs = closed(LAB).compute(LAB.checked({"gamma": -2.0, "beta": 1.5, "epsilon": 1e-6}), None)
    assert runs["centered"].mean() == pytest.approx(0)
    assert runs["centered"].var() == pytest.approx(runs["input"].var())
    assert (runs["normalized"].mean(), runs["normalized"].var()) == pytest.approx((0, 1), abs=1e-4)
    assert (runs["after γ and β"].mean(), runs["after γ and β"].var()) == pytest.approx((1.5, 4), abs=1e-4)


def test_the_sentence_tells_what_epsilon_costs():
    _, wide = render(spread=1.0)
    _, narrow = render(spread=0.001)
    assert "normalized 0 and 0.999;" in wide
    assert "normalized 0 and 0.001" in narrow


@pytest.mark.parametrize("state", [{"shape": "constant"}, {"batch_size": 1}, {"gamma": 0.0}])
def test_without_spread_or_gamma_only_beta_is_left(state):
    _, sentence = render(**state, beta=-2.0)
    assert sentence.endswith("after γ and β −2 and 0. Only β is left of the feature.")


def test_nothing_goes_missing_beyond_the_frame():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    module.histogram(ax, np.linspace(-8, 8, 81), {"far": np.array([-99.0, 0.5, 99.0])}, "far")
    heights = [vertex[1] for vertex in ax.patches[0].get_path().vertices]
    assert max(heights) == pytest.approx(1 / 3)
    assert ax.patches[0].get_path().vertices[1][1] == pytest.approx(1 / 3)


def test_a_slider_may_begin_below_zero():
    control = controls.uniform("shift", 0.5, low=-1.0, high=2.0)
    slider = control.make(0.5)
    assert (slider.min, slider.max) == (-1, 2)
    assert control.check(-1) is None
    assert control.check(-1.1) == "expected a number from -1 to 2"
    assert control.examples == (-1.0, 0.5, 2.0)
