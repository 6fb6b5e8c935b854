"""Checks of the exercises: properties of an answer, judged on inputs it has never seen.

One module for each exercise or part of one. A check prints one line and never raises: ✓, ✗ with
the property that is violated and a hint, or · while there is no answer. ``keys/`` holds, for each
exercise, its check cells with the lines they print for a right answer, and its hints, but no
answers; ``pristine/`` the exercises as they were built.
"""

import contextlib
import copy
import functools
import os
import pathlib
import sysconfig
import traceback
import warnings

import numpy as np

from course_utils.checks import progress

KEYS = pathlib.Path(__file__).with_name("keys")
PRISTINE = pathlib.Path(__file__).with_name("pristine")


class Violated(Exception):
    """An answer lacks a property it should have; the message names it and gives a hint."""


class Unanswered(Exception):
    """The answer still is the ``...`` of the exercise."""


def check(number, title):
    """Make a check of a function that raises `Violated` or `Unanswered`, or returns.

    Parameters
    ----------
    number : str
        Of the question, e.g. ``"2.1"``.
    title : str
        What a right answer does.

    Returns
    -------
    decorator of ``judge(*answers, rng)``, giving ``check(*answers)``, which prints one line
    """
    def decorate(judge):
        @functools.wraps(judge)
        def run(*answers):
            line = _line(number, title, judge, answers)
            progress.remember({number: line})
            print(line)
        return run
    return decorate


def _line(number, title, judge, answers):
    try:
        with silence():
            if any(answer is ... for answer in answers):
                raise Unanswered
            judge(*answers, rng=np.random.default_rng(0))
    except Unanswered:
        return f"· {number} not answered yet"
    except Violated as violated:
        return f"✗ {number} {violated}"
    except (Exception, SystemExit) as error:
        return f"✗ {number} {blame(error)}"
    return f"✓ {number} {title}"


def call(function, arguments, hint="work on a copy, or write the result into a new array", *, changes=()):
    """What a learner's function returns; it must leave its arguments as they are.

    Parameters
    ----------
    function : callable
    arguments : dict name → value
        Passed by position: the learner may call them otherwise.
    hint : str
        Said when an argument was changed.
    changes : collection of names
        Of arguments that the function works on, such as a model; such a function may return nothing.

    Raises
    ------
    Violated, Unanswered
    """
    if not callable(function):
        raise Violated(f"the answer is {_kind(function)}, not a function: keep the line that begins with def")
    given = [value if name in changes else copy.deepcopy(value) for name, value in arguments.items()]
    value = function(*given)
    if value is ... or (value is None and _is_empty(function)):
        raise Unanswered
    expect(value is not None or changes, "the function returns nothing", "end it with return")
    for (name, before), after in zip(arguments.items(), given, strict=True):
        if isinstance(before, np.ndarray):
            expect(np.array_equal(before, after), f"the function changes its argument {name}", hint)
    return value


def expect(holds, violated, hint):
    """Raise `Violated` unless a property holds."""
    if not holds:
        raise Violated(f"{violated}: {hint}")


def expect_close(value, wanted, violated, hint, tolerance=1e-4):
    """Raise `Violated` unless two arrays agree."""
    expect(close(value, wanted, tolerance), violated, hint)


def close(value, wanted, tolerance=1e-4):
    """Whether two arrays agree."""
    return np.allclose(value, wanted, rtol=tolerance, atol=tolerance)


def array(value, shape, what="the result"):
    """An answer as a float array of the shape it should have."""
    if isinstance(value, tuple | list) and any(np.ndim(part) for part in value) and len(value) != shape[0]:
        raise Violated(f"{what} is {len(value)} values: return one array of shape {shape}")
    try:
        value = np.asarray(value, float)
    except (TypeError, ValueError):
        raise Violated(f"{what} is {_kind(value)}: return an array of shape {shape}") from None
    expect(value.shape == shape, f"{what} has shape {value.shape}", f"it should be {shape}")
    return value


def arrays(value, shapes):
    """Several arrays that a function returns together; `shapes` is a dict name → shape."""
    names = ", ".join(shapes)
    value = list(value) if isinstance(value, np.ndarray) and len(value.shape) == 1 else value
    if not isinstance(value, tuple | list) or len(value) != len(shapes):
        raise Violated(f"the function returns {_kind(value)}: return {names}, in this order")
    return [array(part, shape, name) for part, (name, shape) in zip(value, shapes.items(), strict=True)]


def intervals(value, shape):
    """Means of differences and their intervals, as `stats.paired_difference` returns them or one after the other.

    Returns
    -------
    float array (3, *shape): mean, low, high
    """
    names = ("mean", "low", "high")
    if hasattr(value, "data_vars") or isinstance(value, dict):
        missing = [name for name in names if name not in value]
        expect(not missing, f"the difference lacks {' and '.join(missing)}", f"give {', '.join(names)}")
        value = [value[name] for name in names]
    value = list(value) if isinstance(value, np.ndarray) else value
    return np.array(arrays(value, dict.fromkeys(names, shape)))


def objections(flaws, missing, sound):
    """Judge which objections of fellow referees a learner shares.

    Parameters
    ----------
    flaws : collection of letters, in any form
    missing : dict letter → what to ask oneself, for each objection that is right
    sound : dict letter → why it is none, for each that is not
    """
    choice(flaws, missing, sound, name="flaws", kind="objection", lacking="there is a flaw you let pass",
           false="one of your objections holds against sound work too")


def choice(chosen, right, wrong, *, name, kind, lacking, false):
    """Judge which sentences of a list a learner has chosen.

    Parameters
    ----------
    chosen : collection of letters, in any form
    right, wrong : dict letter → hint, of each sentence that should be chosen, and of the others
    name, kind : str
        What the learner calls the collection, and what a letter stands for.
    lacking, false : str
        Said when a sentence is missing, and when one should not be there.
    """
    if not isinstance(chosen, str | set | list | tuple | frozenset) or not all(isinstance(one, str) for one in chosen):
        raise Violated(f'{name} is not a collection of letters: write it like {{"x", "y"}}')
    chosen = {letter for one in chosen for letter in one.lower() if letter.isalpha()}
    if not chosen:
        raise Unanswered
    letters = sorted(right | wrong)
    unknown = sorted(chosen - set(letters))
    expect(not unknown, f"there is no {kind} {' or '.join(unknown)}",
           f"choose among the letters {letters[0]} to {letters[-1]}")
    for letter, hint in wrong.items():
        expect(letter not in chosen, false, hint)
    for letter, hint in right.items():
        expect(letter in chosen, lacking, hint)


def classifier(model, x):
    """Judge whether a model takes images of 64 pixels, such as `x`, and returns ten probabilities for each."""
    import keras

    expect(isinstance(model, keras.Model), "the function returns no Keras model", "return a keras.Sequential")
    expect(model.built and model.input_shape == (None, 64), "the model does not take images of 64 pixels",
           "begin with keras.Input((64,))")
    out = np.array(model(x, training=False))
    expect(out.shape == (len(x), 10), "the model does not return 10 numbers for an image",
           "end with a Dense layer of 10 units")
    expect(close(out.sum(1), 1, 1e-3) and (out >= 0).all(), "the outputs are no probabilities",
           "give the last layer the activation softmax")


def dimensions(runs, wanted):
    """Judge whether `runs` is what `fit_many` returns, with the dimensions that are wanted and no others."""
    import xarray as xr

    expect(isinstance(runs, xr.Dataset) and "val_accuracy" in runs, "runs is not what fit_many returns",
           "write runs = fit_many(build_model, digits, …)")
    missing = sorted(wanted - set(runs.val_accuracy.dims))
    expect(not missing, f"runs has no dimension {' or '.join(missing)}", "give the grid several values of each")
    extra = sorted(set(runs.val_accuracy.dims) - wanted)
    expect(not extra, f"runs has the dimension {' and '.join(extra)} too", "one question at a time; fix it")


def label_of(x):
    """Labels that tell which samples they belong to; the first number of a sample is its place."""
    return (7 * np.asarray(x)[:, 0]).astype("int32") % 10


def blame(error):
    """An error inside an answer in one line: what, and in which of the learner's lines."""
    said = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__)
             if frame.line and not frame.filename.startswith(_NOT_THE_LEARNERS)]
    return f"your line `{lines[-1]}` stops with {what}" if lines else f"the answer cannot be used ({what})"


_NOT_THE_LEARNERS = (str(pathlib.Path(__file__).parents[1]) + os.sep, "<__array_function__",
                     *{sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib")})


@contextlib.contextmanager
def silence():
    """Swallow what an answer prints, shows or warns of, and TensorFlow's words at import."""
    from IPython.utils.capture import capture_output

    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with capture_output(), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _kind(value):
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    return f"a value of type {type(value).__name__}"


def _is_empty(function):
    """Whether the body of a function is nothing but its docstring and ``...``."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_code in (_documented.__code__.co_code, _bare.__code__.co_code)


def _documented():
    """…"""
    ...


def _bare():
    ...
