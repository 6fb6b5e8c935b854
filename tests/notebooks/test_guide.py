"""The code of the symptom guide runs as it is printed, on a model with a pretrained part."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import datasets
from course_utils.tools import build

GUIDE = (build.HOME / "notebooks" / "whats_wrong.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)


def few_epochs(model, fit, *args, epochs=1, **options):
    return fit(model, *args, epochs=min(epochs, 2), **options)


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """What the page takes for granted: a small model, its data, and its history."""
    monkeypatch.chdir(tmp_path)   # the page saves a model
    tf.config.run_functions_eagerly(True)   # nothing is compiled for the few steps
    monkeypatch.setattr(keras.Model, "fit", functools.partialmethod(few_epochs, keras.Model.fit))
    digits = datasets.digits(seed=0)
    base = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8), keras.layers.BatchNormalization()])
    model = keras.Sequential([base, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    names = {"base": base, "model": model, "x_train": digits.x_train[:64], "y_train": digits.y_train[:64],
             "x_val": digits.x_val[:100], "y_val": digits.y_val[:100]}
    names["history"] = model.fit(names["x_train"], names["y_train"], epochs=2, verbose=0,
                                 validation_data=(names["x_val"], names["y_val"]))
    yield names
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
def test_every_block_runs(learner, capsys):
    assert len(BLOCKS) >= 18
    for block in BLOCKS:
        if "doctor" not in block:
            exec(block, learner)
    said = capsys.readouterr().out
    assert "nan" not in said
    assert "(100, 100)" in said   # a column compared with a row
    assert np.isclose(learner["difference"], 0, atol=1e-6)
