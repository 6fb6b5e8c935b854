"""What the doctor is given: the model, the data in any form that `fit` takes, and the recorded curves."""

import dataclasses
import json
import random
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

MOST_SAMPLES = 20_000  # read from a data set


@dataclasses.dataclass(frozen=True)
class Samples:
    """Inputs and targets as arrays, in the order in which they are read."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self):
        return len(self.y)

    def take(self, places):
        """Some of the samples."""
        return Samples(self.x[places], self.y[places])


def samples(data, name):
    """Read `(x, y)`, a `tf.data` data set, a `PyDataset`, or a function that returns a generator.

    Raises
    ------
    ValueError, TypeError
        The data can be read only once, has no targets, or has inputs and targets of different lengths.
    """
    if isinstance(data, Samples):
        return data
    if isinstance(data, tuple | list) and len(data) in (2, 3) and not isinstance(data[0], dict):
        x, y = (keras.ops.convert_to_numpy(part) for part in data[:2])
        if not x.ndim or not y.ndim or len(x) != len(y):
            raise ValueError(
                f"{name} has inputs of shape {x.shape} and targets of shape {y.shape}; expected one "
                "target for each sample."
            )
        if not len(y):
            raise ValueError(f"{name} is empty; expected at least one sample.")
        return Samples(x[:MOST_SAMPLES], y[:MOST_SAMPLES])
    batches = data() if callable(data) and not isinstance(data, keras.utils.PyDataset) else data
    if isinstance(data, keras.utils.PyDataset):
        batches = (data[index] for index in range(len(data)))
    elif not callable(data) and hasattr(data, "__next__"):
        raise ValueError(
            f"{name} can be read only once, and the doctor would use it up; pass arrays, a tf.data data set, "
            "a PyDataset, or a function that returns a new generator."
        )
    elif not hasattr(batches, "__iter__") or isinstance(batches, dict | str | np.ndarray):
        raise TypeError(
            f"{name} has type {type(data).__name__}; expected (x, y), a tf.data data set, a PyDataset, or a "
            "function that returns a generator."
        )
    return _joined(batches, name)


def _joined(batches, name):
    parts, count = [], 0
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise ValueError(f"{name} yields batches without targets; expected (x, y).")
        if isinstance(batch[0], dict | tuple | list):
            raise ValueError(f"{name} yields several inputs; the doctor examines models with one input and one output.")
        parts.append([keras.ops.convert_to_numpy(part) for part in batch[:2]])
        count += len(parts[-1][0])
        if count >= MOST_SAMPLES:
            break
    if not count:
        raise ValueError(f"{name} is empty; expected at least one sample.")
    return Samples(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def check(model, train, validation):
    """Refuse a model that can't be examined, or data that doesn't match it.

    Raises
    ------
    TypeError, ValueError
        The message says what is wrong.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"The model has type {type(model).__name__}; expected a keras.Model.")
    if not model.compiled or getattr(model, "loss", None) is None:
        raise ValueError(
            "The model is not compiled, so the doctor doesn't know its loss or optimizer; call "
            "model.compile with the ones you trained with, and pass the history."
        )
    if not model.built:
        raise ValueError("The model is not built, so it has no weights yet; train it with model.fit first.")
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"{type(model).__name__} has its own train_step, which the doctor can't repeat; pass the "
            "recorded curves to doctor.read."
        )
    if isinstance(model.loss, dict | list) or isinstance(model.output_shape, dict | list):
        raise ValueError("The model has several outputs; the doctor examines models with one input and one output.")
    expected = getattr(model, "input_shape", None)
    for name, data in (("train_data", train), ("validation_data", validation)):
        shape = data.x.shape
        if expected and (
            len(shape) != len(expected)
            or any(want not in (None, have) for want, have in zip(expected[1:], shape[1:], strict=True))
        ):
            raise ValueError(f"{name} has inputs of shape {shape[1:]}; the model expects {expected[1:]}.")
        if not np.issubdtype(data.x.dtype, np.number) and data.x.dtype != bool:
            raise ValueError(f"{name} has inputs of type {data.x.dtype}; expected numbers.")


def curves(history):
    """The recorded curves as dict name → array (epochs,).

    Parameters
    ----------
    history : keras.callbacks.History, dict name → list, or path of a JSON file with such a dict

    Raises
    ------
    TypeError, ValueError
        The history is none of these, or contains no losses.
    """
    if history is None:
        return {}
    if isinstance(history, str | Path):
        try:
            history = json.loads(Path(history).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"Cannot read the history {history} ({error}); expected a JSON file that contains history.history."
            ) from None
    history = getattr(history, "history", history)
    if not isinstance(history, Mapping):
        raise TypeError(f"The history has type {type(history).__name__}; expected what model.fit returns.")
    try:
        found = {name: np.atleast_1d(np.asarray(values, float)) for name, values in history.items()}
    except (TypeError, ValueError):
        raise ValueError(
            "The history contains values that aren't numbers; expected a list of numbers for each name."
        ) from None
    if not len(found.get("loss", [])):
        raise ValueError("The history has no 'loss'; expected what model.fit returns.")
    return found


@contextmanager
def undisturbed():
    """Leave Python's and NumPy's random generators as they were (Keras draws its seeds there), and don't warn."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
