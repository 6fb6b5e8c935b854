"""The data of lecture 01 and of its claims."""

import numpy as np

from course_utils.claims import learning_curves as claims


def test_halves_keep_two_means_of_each_sample(digits):
    half = claims.halves(lambda seed: digits)(0)
    assert half.x_train.shape == (len(digits.x_train), 2)
    np.testing.assert_allclose(half.x_val[:, 1], digits.x_val[:, 32:].mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(half.y_train, digits.y_train)


def test_half_of_the_data_takes_as_many_steps(digits):
    half = claims.half(digits, seed=0)
    assert len(half.x_train) == len(digits.x_train)
    assert len(np.unique(half.x_train, axis=0)) == len(np.unique(digits.x_train[:len(digits.x_train) // 2], axis=0))
