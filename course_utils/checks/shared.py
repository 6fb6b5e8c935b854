"""What the checks of several exercises judge in the same way."""

from collections.abc import Iterable

import numpy as np

from course_utils.checks import Unanswered, arrays, close, expect


def intervals(value, shape):
    """Mean, low, high as a float array (3, *shape), from what `stats.paired_difference` returns or from a sequence."""
    names = ("mean", "low", "high")
    if hasattr(value, "data_vars") or isinstance(value, dict):
        missing = [name for name in names if name not in value]
        expect(not missing, f"the difference lacks {' and '.join(missing)}", f"give {', '.join(names)}")
        value = [value[name] for name in names]
    return np.array(arrays(value, dict.fromkeys(names, shape)))


def objections(flaws, missing, sound):
    """Judge which objections of fellow referees a learner shares; arguments are those of `choice`."""
    choice(flaws, missing, sound, name="flaws", kind="objection", lacking="you missed a flaw",
           false="one of your objections does not point to a flaw")


def choice(chosen, right, wrong, *, name, kind, lacking, false):
    """Judge which sentences of a list a learner has chosen.

    Parameters
    ----------
    chosen : collection of letters, in any form
    right, wrong : dict letter → hint, for the sentences that should be chosen, and for the others
    name, kind : str
        What the learner calls the collection, and what a letter stands for.
    lacking, false : str
        Printed if a sentence is missing, and if one should not be there.
    """
    chosen = list(chosen) if isinstance(chosen, Iterable) else [chosen]
    expect(all(isinstance(part, str) for part in chosen),
           f"{name} is not a set of letters", 'write it like {"x", "y"}')
    chosen = {letter for part in chosen for letter in part.lower() if letter.isalpha()}
    if not chosen:
        raise Unanswered
    letters = sorted(right | wrong)
    unknown = sorted(chosen - set(letters))
    expect(not unknown, f"there is no {kind} {' or '.join(unknown)}",
           f"use the letters {letters[0]} to {letters[-1]}")
    for letter, hint in wrong.items():
        expect(letter not in chosen, false, hint)
    for letter, hint in right.items():
        expect(letter in chosen, lacking, hint)


def entries(value, keys, violated, optional=()):
    """Judge whether a dict has these keys; the learner hasn't answered yet if an entry is still ``...``."""
    if isinstance(value, dict) and any(entry is ... for entry in value.values()):
        raise Unanswered
    expect(isinstance(value, dict) and set(keys) <= set(value) <= {*keys, *optional},
           f"{violated} {', '.join(keys)}", "write one entry for each")


def classifier(model, x):
    """Judge whether a model takes images of 64 pixels, such as `x`, and returns ten probabilities for each."""
    import keras

    expect(isinstance(model, keras.Model), "the function does not return a Keras model", "return a keras.Sequential")
    expect(model.built and model.input_shape == (None, 64), "the model does not take images of 64 pixels",
           "start with keras.Input((64,))")
    out = np.array(model(x, training=False))
    expect(out.shape == (len(x), 10), "the model does not return 10 numbers for each image",
           "end with a Dense layer of 10 units")
    expect(close(out.sum(1), 1, 1e-3) and (out >= 0).all(), "the outputs are not probabilities",
           "give the last layer a softmax activation")


def dimensions(runs, wanted):
    """Judge whether `runs` is what `fit_many` returns, with the dimensions that are wanted and no others."""
    import xarray as xr

    expect(isinstance(runs, xr.Dataset) and "val_accuracy" in runs, "runs is not what fit_many returns",
           "use runs = fit_many(build_model, digits, …)")
    missing = sorted(wanted - set(runs.val_accuracy.dims))
    expect(not missing, f"runs has no dimension {' or '.join(missing)}", "give the grid several values of each")
    extra = sorted(set(runs.val_accuracy.dims) - wanted)
    expect(not extra, f"runs also varies {' and '.join(extra)}", "vary one thing at a time, and keep the rest fixed")


def label_of(x):
    """Labels, without a period, that tell which samples they belong to; the first number of a sample is its place."""
    return (10 * (np.asarray(x, float)[:, 0] * 0.618034 % 1)).astype("int32")


def central_differences(function, x, step=1e-5):
    """Numerical gradient, with the shape of `x`, of a function that returns one number."""
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (float(function(up)) - float(function(down))) / (2 * step)
    return gradient
