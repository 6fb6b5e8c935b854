"""The effect of the claim of lecture 03 on known runs."""

import numpy as np
import xarray as xr

from course_utils.claims import better_or_lucky


def test_a_tie_counts_as_half_a_lead_even_if_the_scores_differ_in_their_last_bit():
    scores = np.array([[0.9, 0.9, 0.1 + 0.2], [0.91, 0.89, 0.3]])[..., None] * np.ones(20)
    runs = xr.Dataset({"val_accuracy": (("arm", "seed", "step"), scores)}, {"arm": ["32 units", "64 units"]})
    np.testing.assert_array_equal(better_or_lucky.second_ahead(runs), [1, 0, 0.5])
