"""Splits that keep apart what must stay apart."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import datasets

LOADERS = [datasets.digits, datasets.tones, datasets.moons, datasets.spirals, datasets.canvas_digits,
           datasets.glyphs, datasets.textures]


@pytest.mark.parametrize("load", LOADERS)
def test_a_split_is_stratified_and_its_parts_are_disjoint(load):
    split = load(seed=3)
    x_test, y_test = split.test
    parts = [(split.x_train, split.y_train), (split.x_val, split.y_val), (x_test, y_test)]
    shares = [np.bincount(y, minlength=split.classes) / len(y) for _, y in parts]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.01)
    np.testing.assert_allclose(shares[2], shares[0], atol=0.01)
    rows = [{sample.tobytes() for sample in x} for x, _ in parts]
    assert not rows[0] & rows[1]
    assert not (rows[0] | rows[1]) & rows[2]
    assert {split.x_train.dtype, x_test.dtype} == {np.dtype("float32")}


@pytest.mark.parametrize("load", LOADERS)
def test_a_seed_gives_the_same_split_again_and_another_seed_another(load):
    np.testing.assert_array_equal(load(1).x_train, load(1).x_train)
    assert not np.array_equal(load(1).x_train, load(2).x_train)


def test_digits_lie_between_0_and_1(digits):
    assert digits.x_train.min() == 0
    assert digits.x_train.max() == 1
    assert digits.x_train.shape[1:] == (64,)


def test_tones_need_more_than_a_linear_model():
    from sklearn.linear_model import LogisticRegression

    split = datasets.tones()
    linear = LogisticRegression(max_iter=200).fit(split.x_train, split.y_train)
    assert linear.score(split.x_val, split.y_val) < 0.3


def test_spirals_need_more_than_a_linear_model_and_can_be_told_apart():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    split = datasets.spirals()
    assert LogisticRegression().fit(split.x_train, split.y_train).score(split.x_val, split.y_val) < 0.75
    assert KNeighborsClassifier(5).fit(split.x_train, split.y_train).score(split.x_val, split.y_val) > 0.95


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_arms_of_the_spirals_are_as_far_from_their_line_as_the_noise_says(noise):
    split = datasets.spirals(samples=4000, noise=noise)
    still = datasets.spirals(samples=4000, noise=0.0)
    assert np.linalg.norm(still.x_train, axis=1).max() <= 1
    assert (split.x_train - still.x_train).std() == pytest.approx(noise, rel=0.05)


def test_the_test_set_says_when_it_is_opened_again(monkeypatch):
    monkeypatch.setattr(datasets.split, "_opened", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, y = datasets.digits(seed=8).open_test()
        datasets.digits(seed=9).open_test()   # another split, another test set
    assert len(x) == len(y) == 360
    with pytest.warns(datasets.TestSetReopened, match="opened before in this session"):
        datasets.digits(seed=8).replace(x_train=x).open_test()


def test_a_split_without_a_test_set_says_so(small):
    with pytest.raises(ValueError, match="'small' has no test set"):
        small.open_test()


def test_the_test_set_is_not_printed(digits):
    assert "test" not in repr(digits)


@given(st.floats(0, 1), st.integers(2, 12), st.integers(0, 99))
def test_wrong_labels_are_wrong_and_as_many_as_asked_for(rate, classes, seed):
    y = np.random.default_rng(seed).integers(0, classes, 2000).astype("int32")
    noisy = datasets.with_label_noise(y, rate, classes, np.random.default_rng(seed))
    assert abs((noisy != y).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / 2000) + 1e-9
    assert noisy.dtype == y.dtype
    assert noisy.min() >= 0
    assert noisy.max() < classes


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 99))
def test_what_is_wrong_at_a_low_rate_is_wrong_in_the_same_way_at_a_higher_one(low, more, seed):
    y = np.arange(500) % 10
    less_noisy, noisier = (datasets.with_label_noise(y, rate, 10, np.random.default_rng(seed))
                           for rate in (low, low + more))
    wrong = less_noisy != y
    np.testing.assert_array_equal(noisier[wrong], less_noisy[wrong])
