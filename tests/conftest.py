"""Shared by all tests: quiet TensorFlow, small data."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import pytest

from course_utils import datasets


@pytest.fixture(scope="session")
def digits():
    return datasets.digits(seed=0)


@pytest.fixture(scope="session")
def small():
    """130 samples of 6 numbers in 3 classes: a task that trains in no time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(170, 6)).astype("float32")
    y = (x[:, 0] + x[:, 1] ** 2 > 0.5).astype("int32") + (x[:, 2] > 0.5)
    return datasets.Split("small", x[:130], y[:130], x[130:], y[130:])


@pytest.fixture
def compilations(monkeypatch):
    """A list that grows by one at each program that fit_many compiles; it begins with none compiled."""
    from course_utils.engine import blocks, program

    blocks.forget_programs()
    seen, compile_program = [], program.compile_program
    monkeypatch.setattr(program, "compile_program", lambda *args, **kwargs: (
        seen.append(args), compile_program(*args, **kwargs))[1])
    return seen
