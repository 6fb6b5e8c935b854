"""Effects of the claims of lecture 03 on known runs."""

import numpy as np
import xarray as xr

from course_utils.claims import better_or_lucky as claims


def splits(narrow, wide):
    """Points of two networks in the runs on each split."""
    points = np.array([narrow, wide], float)
    return xr.Dataset({"points": (("width", "seed", "run"), points)}, {
        "width": [32, 64], "seed": range(points.shape[1]), "run": range(points.shape[2])})


def test_pairs_of_runs_are_counted_that_lie_closer_than_the_gap():
    runs = splits([[90.0, 90.3, 95.0], [90.0, 90.4, 90.8]], np.zeros((2, 3)))
    np.testing.assert_allclose(claims.within_chance(runs), [1 / 3, 0])   # 0.4 is not less than 0.4


def test_effects_have_the_sign_that_their_words_say():
    ahead = splits([[90, 90, 90, 90], [90, 90, 90, 90]], [[91, 91, 90, 89], [91, 91, 91, 92]])
    np.testing.assert_allclose(claims.wider_ahead(ahead), [2.5 / 4, 1])
    luck, own = np.array([0, 2, 4, 6]), np.array([0, 1, 0, 1])
    shared = splits([luck, luck], [luck + own, 6 - luck])   # luck is the same; it is the opposite
    saved = claims.runs_saved(shared)
    np.testing.assert_allclose(saved, [(luck.var() + (luck + own).var()) / own.var(), 0.5])


def test_twins_are_compared_at_the_end():
    accuracy = np.zeros((2, 2, 2, 3))   # twin, learning rate, seed, epoch
    accuracy[1, :, :, 0] = 0.1           # on the way they may differ
    accuracy[1, 1, 0, -1] = 0.1
    runs = xr.Dataset({"val_accuracy": (("twin", "learning_rate", "seed", "epoch"), accuracy)},
                      {"learning_rate": [0.1, 0.4], "seed": [0, 1], "epoch": [1, 2, 3]})
    np.testing.assert_allclose(claims.same_run(runs), [0.5, 1])
