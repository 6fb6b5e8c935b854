"""Checks of the exercises: properties of an answer, judged on inputs it has never seen.

There is one module for each exercise or part of one; `shared` holds what several of them need. A check
prints one line and never raises: ✓, ✗ with the property that is violated and a hint, or · while there is no
answer. ``keys/`` holds, for each exercise, its check cells with the lines they print for a right answer, and
its hints, but no answers; ``pristine/`` holds the exercises as they were built.
"""

import contextlib
import copy
import functools
import os
import pathlib
import sys
import warnings

import numpy as np

from course_utils.checks import progress
from course_utils.remote import answering
from course_utils.remote.asking import Answer, Failed
from course_utils.remote.codec import Codec, NotLoaded, Unknown

KEYS = pathlib.Path(__file__).with_name("keys")
PRISTINE = pathlib.Path(__file__).with_name("pristine")
# Check cells of questions that were once asked: dict exercise → dict number → code. A right answer that is still in a
# learner's notebook keeps its point.
RETIRED = {"ex01_learning_curves": {
    "1.5": "from course_utils.checks import learning_curves as checks\n\nchecks.law(fit_power_law)"}}


def is_retired(number):
    """Whether a question is no longer asked."""
    return any(number in numbers for numbers in RETIRED.values())


class Violated(Exception):
    """An answer lacks a property it should have; the message names it and gives a hint."""


class Unanswered(Exception):
    """The answer still is the ``...`` of the exercise."""


def check(number, title):
    """Make ``check(*answers)``, which prints one line, of ``judge(*answers, rng)``.

    The judge raises `Violated` or `Unanswered`, or returns. `number` is that of the question, e.g.
    ``"2.1"``; `title` says what a right answer does.
    """
    def decorate(judge):
        @functools.wraps(judge)
        def run(*answers):
            from course_utils.checks import hints  # which imports this module

            line = _line(number, title, judge, answers)
            progress.remember({number: line})
            print(hints.offer(number, line))
        return run
    return decorate


def _line(number, title, judge, answers):
    try:
        with silence():
            if any(answer is ... for answer in answers):
                raise Unanswered
            judge(*answers, rng=np.random.default_rng(0))
    except (Exception, SystemExit) as error:
        return line_of(number, error)
    return f"✓ {number} {title}"


def line_of(number, error):
    """What a check prints that has come to this error."""
    if isinstance(error, Unanswered):
        return f"· {number} not answered yet"
    if isinstance(error, NotLoaded):
        return f"✗ {number} {error}: use layers of Keras, no Lambda and no classes of your own"
    return f"✗ {number} {error if isinstance(error, Violated | Failed) else answering.blame(error)}"


COPY = "work on a copy, or write the result into a new array"


def call(function, arguments, hint=COPY, *, changes=()):
    """Return what a learner's function returns; it must leave its arguments as they are.

    Parameters
    ----------
    arguments : dict name → value
        Passed by position, because the learner may use other names.
    hint : str
        Printed if the function changes an argument.
    changes : collection of names
        Arguments that the function works on, such as a model; such a function may return nothing. If it runs in
        another process, their entries in `arguments` are replaced by what became of them there.

    Raises `Violated` or `Unanswered`.
    """
    return call_recorded(function, arguments, None, hint, changes=changes)[0]


def call_recorded(function, arguments, recorded, hint=COPY, *, changes=()):
    """As `call`, and what the model among the arguments whose name is `recorded` got, as `answering.recorded` says."""
    expect(callable(function), f"the answer is {_kind(function)}, not a function", "keep the line that begins with def")
    given = [value if name in changes else copy.deepcopy(value) for name, value in arguments.items()]
    place = list(arguments).index(recorded) if recorded else None
    outcome = function.run(given, place) if isinstance(function, Answer) else answering.run(function, given, place)
    value = outcome.value
    if "keras" in sys.modules and isinstance(value, sys.modules["keras"].Model) and not isinstance(function, Answer):
        Codec().decode(Codec().encode(value))   # raises an error if the judge could not have it
    if value is ... or (value is None and outcome.is_empty):
        raise Unanswered
    expect(value is not None or changes, "the function returns nothing", "end it with return")
    for (name, before), after in zip(list(arguments.items()), outcome.after, strict=True):
        expect(name in changes or _unchanged(before, after), f"the function changes its argument {name}", hint)
        if isinstance(before, np.random.Generator):
            before.bit_generator.state = after.bit_generator.state
        elif name in changes:
            arguments[name] = after
    return value, outcome.calls


def _unchanged(before, after):
    """Whether arrays, data sets of xarray, numbers, and what lists and dicts hold of them are still the same."""
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
    if isinstance(before, dict):
        return list(before) == list(after) and all(_unchanged(before[name], after[name]) for name in before)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, str | float | int):
        return before == after or before != before   # nan
    return not hasattr(before, "identical") or before.identical(after)


def expect(holds, violated, hint):
    """Raise `Violated` unless a property holds."""
    if not holds:
        raise Violated(f"{violated}: {hint}")


def expect_close(value, wanted, violated, hint, tolerance=1e-4):
    """Raise `Violated` unless two arrays agree."""
    expect(close(value, wanted, tolerance), violated, hint)


def expect_none_of(value, mistakes, tolerance=1e-4):
    """Raise `Violated` if an array agrees with a wrong one; `mistakes` are tuples (wrong array, violated, hint)."""
    for wrong, violated, hint in mistakes:
        expect(not close(value, wrong, tolerance), violated, hint)


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
    value = list(value) if hasattr(value, "__array__") and np.ndim(value) else value   # unpacks like a tuple
    if not isinstance(value, tuple | list) or len(value) != len(shapes):
        raise Violated(f"the function returns {_kind(value)}: return {names}, in this order")
    return [array(part, shape, name) for part, (name, shape) in zip(value, shapes.items(), strict=True)]


@contextlib.contextmanager
def silence():
    """Suppress what an answer prints, shows, or warns of, and TensorFlow's messages at import."""
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
    return f"a value of type {value.kind if isinstance(value, Unknown) else type(value).__name__}"
