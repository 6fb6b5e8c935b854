"""Real data with one row per case, and MNIST-1D."""

import numpy as np
import pytest

from course_utils import datasets

SIZES = [(datasets.autompg, (234, 79, 79), 9), (datasets.cancer, (341, 114, 114), 30),
         (datasets.mnist1d, (3000, 1000, 1000), 40)]


@pytest.mark.parametrize(("load", "sizes", "features"), SIZES)
def test_sizes_are_those_of_the_docstring_and_no_network_is_needed(load, sizes, features, offline):
    split = load()
    assert (len(split.x_train), len(split.x_val), len(split.test[0])) == sizes
    assert split.x_train.shape[1:] == split.x_val.shape[1:] == split.test[0].shape[1:] == (features,)
    assert {x.dtype for x in (split.x_train, split.x_val, split.test[0])} == {np.dtype("float32")}


@pytest.mark.parametrize("load", [load for load, *_ in SIZES])
def test_every_seed_has_the_same_test_set_and_trains_on_none_of_it(load, monkeypatch):
    monkeypatch.setattr(datasets.split, "_opened", set())
    options = {} if load is datasets.mnist1d else {"scaled": False}
    splits = [load(seed, **options) for seed in range(3)]
    test = splits[0].open_test()
    for split in splits[1:]:
        np.testing.assert_array_equal(split.test[0], test[0])
        np.testing.assert_array_equal(split.test[1], test[1])
        assert not np.array_equal(split.x_train, splits[0].x_train)
        with pytest.warns(datasets.TestSetReopened):
            split.open_test()
    cases = [np.concatenate([split.x_train, split.x_val, split.test[0]]) for split in splits]
    for all_cases in cases:
        np.testing.assert_array_equal(all_cases[np.lexsort(all_cases.T)], cases[0][np.lexsort(cases[0].T)])
    np.testing.assert_array_equal(load(1, **options).x_val, splits[1].x_val)


@pytest.mark.parametrize("load", [datasets.autompg, datasets.cancer])
def test_features_are_standardized_as_in_the_training_set(load):
    split, raw = load(4), load(4, scaled=False)
    np.testing.assert_allclose(split.x_train.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(split.x_train.std(0), 1, rtol=1e-4)
    mean, deviation = raw.x_train.mean(0), raw.x_train.std(0)
    np.testing.assert_allclose(split.x_val * deviation + mean, raw.x_val, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(split.test[0] * deviation + mean, raw.test[0], rtol=1e-3, atol=1e-4)


def test_cars_have_one_origin_and_plausible_miles():
    split = datasets.autompg(scaled=False)
    assert len(datasets.CARS) == split.x_train.shape[1]
    np.testing.assert_array_equal(split.x_train[:, -3:].sum(1), 1)
    assert split.y_train.dtype == np.float32
    every = np.concatenate([split.y_train, split.y_val, split.test[1]])
    assert (len(every), every.min(), every.max()) == (392, 9, pytest.approx(46.6))
    weight = split.x_train[:, datasets.CARS.index("weight")]
    assert np.corrcoef(weight, split.y_train)[0, 1] < -0.7   # heavy cars need more


def test_a_split_of_numbers_is_a_regression():
    split = datasets.autompg()
    assert split.classes is None
    assert repr(split) == "Split(autompg: 234 training and 79 validation samples of shape (9,), regression)"
    assert repr(datasets.cancer()) == ("Split(cancer: 341 training and 114 validation samples of shape (30,), "
                                       "2 classes)")


def test_malignant_tumors_are_the_class_0_and_equal_in_share():
    split = datasets.cancer()
    for y in (split.y_train, split.y_val, split.test[1]):
        assert (y == 0).mean() == pytest.approx(0.373, abs=0.01)


def test_signals_are_scaled_and_need_more_than_a_linear_model():
    from sklearn.linear_model import RidgeClassifier

    split = datasets.mnist1d()
    assert split.x_train.std() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(np.bincount(split.y_val, minlength=10) > 80, True)
    linear = RidgeClassifier().fit(split.x_train, split.y_train)
    assert 0.2 < linear.score(split.x_val, split.y_val) < 0.4
