"""What the claims of lecture 10 choose by, and their effects, on known runs."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.claims import weight_regularization as claims


def test_a_setting_is_chosen_on_the_tuning_seeds_alone():
    seeds = [*claims.TUNING_SEEDS, 0, 1]
    scores = xr.DataArray(np.zeros((2, 3, len(seeds))), {"rate": [1.0, 2.0], "l2": [0.1, 0.2, 0.3], "seed": seeds},
                          ("rate", "l2", "seed"))
    scores.loc[{"rate": 2.0, "l2": 0.2, "seed": list(claims.TUNING_SEEDS)}] = 1.0
    scores.loc[{"rate": 2.0, "l2": 0.2, "seed": [0, 1]}] = [0.3, 0.4]
    scores.loc[{"rate": 1.0, "l2": 0.3, "seed": [0, 1]}] = 9.0   # better where nobody may look
    kept = claims.chosen(scores)
    assert kept.seed.values.tolist() == [0, 1]
    np.testing.assert_allclose(kept, [0.3, 0.4])
    other = claims.chosen(scores, by=-scores)
    assert not np.allclose(other, kept)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 6), st.sampled_from([5, 10, 25]))
def test_a_chosen_epoch_looks_better_than_it_is_and_a_single_one_does_not(seed, epochs, images):
    luck = np.random.default_rng(seed).random((epochs, 100)) < 0.7   # all epochs are equally good
    hits = xr.DataArray(luck, dims=("epoch", "point"))
    assert claims._optimism(hits, images) >= -1e-12
    assert claims._optimism(hits.isel(epoch=[0]), images) == pytest.approx(0, abs=1e-12)


def test_optimism_shrinks_with_the_images_that_choose():
    luck = np.random.default_rng(0).random((20, 8, 800)) < 0.7
    few, many = (claims._optimism(xr.DataArray(luck, dims=("run", "epoch", "point")), images) for images in (20, 160))
    assert few > 2 * many > 0


def test_effects_have_the_sign_that_their_words_say():
    seed = {"seed": [0, 1]}
    brakes = xr.Dataset({"val_accuracy": (("situation", "brake", "seed"), [[[0.7, 0.8], [0.9, 0.9]]])},
                        {"situation": ["clean"], "brake": ["none", "l2"], **seed})
    np.testing.assert_allclose(claims.gained_by_l2(brakes), [0.2, 0.1])
    bn = xr.Dataset({"val_accuracy": (("penalized", "seed"), [[0.7, 0.8], [0.9, 0.9]])},
                    {"penalized": [False, True], **seed})
    np.testing.assert_allclose(claims.gained_without_l2(bn), [-0.2, -0.1])
    lunch = xr.Dataset({"stopped": ("seed", [0.7, 0.8]), "to_the_end": ("seed", [0.8, 0.8])}, seed)
    np.testing.assert_allclose(claims.gained_by_stopping(lunch), [-0.1, 0.0])
