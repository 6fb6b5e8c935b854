"""What a run gives depends on nothing but its own knobs."""

import os

import keras
import numpy as np
import psutil
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils import fit_many
from course_utils.training import blocks, structures

# At the last rate many diverge at once.
KNOBS = {"learning_rate": [0.01, 0.1, 1e200], "dropout": [0.0, 0.5], "seed": [0, 1, 2], "train_size": [64, None],
         "label_noise": [0.0, 0.3]}


def network(input_shape=(6,), classes=3, norm=True):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(4),
                             *[keras.layers.BatchNormalization(momentum=0.5)] * norm, keras.layers.Activation("relu"),
                             keras.layers.Dropout(0.2), keras.layers.Dense(classes, activation="softmax")])


def train(small, grid, **options):
    return fit_many(network, small, grid, epochs=2, optimizer=keras.optimizers.SGD(momentum=0.9), dtype="float64",
                    **options)


@pytest.fixture(scope="module")
def everything(small):
    """All runs of the pool of knobs, trained in one call."""
    return train(small, KNOBS)


some_of_each = st.fixed_dictionaries({
    knob: st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True) for knob, values in KNOBS.items()})


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=some_of_each, order=st.permutations(list(KNOBS)), size=st.integers(1, 3),
       memory=st.sampled_from([1.0, 4e9]), in_step=st.booleans())
def test_results_depend_neither_on_the_company_nor_on_the_way(small, everything, monkeypatch, grid, order, size, memory,
                                                             in_step):
    monkeypatch.setattr(structures, "ON_CPU", size)
    runs = train(small, {knob: grid[knob] for knob in order}, max_memory=memory,
                 callback=(lambda partial: False) if in_step else None)
    alone = everything.sel(grid).transpose(*order, "epoch")
    xr.testing.assert_allclose(runs.drop_attrs(), alone.drop_attrs(), rtol=1e-11, atol=1e-11)


def test_the_pool_holds_diverged_and_calm_runs(everything):
    assert everything.diverged.sel(learning_rate=1e200).any()   # not all: batch norm forgives a scale
    assert not everything.diverged.sel(learning_rate=[0.01, 0.1]).any()


def test_canceling_a_part_keeps_what_was_finished(small, monkeypatch):
    monkeypatch.setattr(structures, "ON_CPU", 2)
    seen = []

    def stop(partial):
        seen.append(partial)
        return len(seen) == 3   # the first two seeds are done, of the next two one epoch

    runs = train(small, {"seed": range(6)}, max_memory=1.0, callback=stop)
    finished = runs.val_loss.notnull()
    assert finished.values.sum() == 3
    whole = train(small, {"seed": range(6)})
    xr.testing.assert_allclose(runs.val_loss.where(finished), whole.val_loss.where(finished), rtol=0, atol=1e-11)


def test_blocks_shrink_to_fit_the_memory(small):
    from course_utils.training import grid as grids

    axes, fixed, chosen = grids.parse({"seed": range(10)}, network, 32, "sgd")
    [(knobs, _, runs)] = grids.structures(axes, fixed)
    splits = {seed: small for seed in range(10)}
    options = dict.fromkeys(["metrics", "class_weight", "sample_weight", "predict"], None)
    sizes = {memory: structures.prepare(
        network, knobs, chosen["sgd"], runs, splits,
        options=options | {"loss": "sparse_categorical_crossentropy", "callbacks": (), "batch_statistics": False,
                           "diagnostics": False},
        starts=[None] * 10, chunk=4, dtype="float32", memory=memory).plan.runs for memory in (1.0, 4e9)}
    assert sizes == {1.0: 1, 4e9: 10}


def test_an_error_while_training_reaches_the_caller_and_leaves_no_thread(small, monkeypatch):
    import threading

    def fail(*args):
        raise RuntimeError("out of luck")
        yield   # it is a generator

    monkeypatch.setattr(blocks.Block, "train", fail)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of luck"):
        train(small, {"seed": [0, 1]})
    assert threading.active_count() <= before + 2   # the compiler's threads stay


@pytest.mark.audit
def test_two_hundred_calls_take_no_memory(small):
    process = psutil.Process(os.getpid())

    def call(turn):
        fit_many(network, small, {"learning_rate": np.logspace(-3, -1, 3) * (1 + turn), "seed": [turn]}, epochs=1)

    for turn in range(40):
        call(turn)
    before = process.memory_info().rss
    for turn in range(40, 240):
        call(turn)
    assert process.memory_info().rss - before < 20e6
