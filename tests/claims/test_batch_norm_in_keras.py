"""Effects of the claims of lecture 06 on known runs."""

import numpy as np
import xarray as xr

from course_utils.claims import batch_norm_in_keras as claims


def test_effects_have_the_sign_that_their_words_say():
    seed, early = {"seed": [0, 1]}, [0.1, 0.9]   # the first epoch does not count
    place = xr.Dataset({"val_accuracy": (("norm_position", "seed", "epoch"), [
        [[early[1], 0.8], [early[1], 0.7]], [[early[0], 0.9], [early[0], 0.9]]])},
        {"norm_position": ["before", "after"], **seed, "learning_rate": ("norm_position", [0.1, 0.3])})
    np.testing.assert_allclose(claims.gained_behind(place), [0.1, 0.2])

    # In batches of 2 batch norm loses 0.4, and no normalization gains 0.1.
    sizes = xr.Dataset({"val_accuracy": (("batch_size", "norm", "seed"), [
        [[0.9, 0.9], [0.5, 0.5], [0.7, 0.7]], [[0.8, 0.8], [0.9, 0.9], [0.7, 0.7]]])},
        {"batch_size": claims.SIZES, "norm": claims.NORMS, **seed})
    np.testing.assert_allclose(claims.kept_at_two(sizes), [-0.5, -0.5])

    accuracy = np.zeros((2, 2, 2, 1))   # batch norm, dropout, seed, epoch
    accuracy[1, 0], accuracy[0, 1], accuracy[1, 1], accuracy[0, 0] = 0.6, 0.8, 0.99, 0.01
    labels = xr.Dataset({"val_accuracy": (("batch_norm", "dropout", "seed", "epoch"), accuracy)},
                        {"batch_norm": [False, True], "dropout": [0.0, 0.5], **seed,
                         "learning_rate": (("batch_norm", "dropout"), [[0.1, 0.1], [0.1, 0.03]])})
    np.testing.assert_allclose(claims.instead_of_dropout(labels), [-0.2, -0.2])
