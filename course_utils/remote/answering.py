"""The answers' side: runs a learner's functions for the judge, in the kernel that has run the learner's cells."""

import builtins
import contextlib
import dataclasses
import importlib.machinery
import json
import os
import pathlib
import random
import sys
import sysconfig
import traceback
import types

import numpy as np

from course_utils.remote.codec import Codec

CALLBACK = "course_utils.remote "   # begins the prompt by which an answer calls a function of the judge
WITHHELD = "course_utils.checks"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one call of an answer came to.

    `after` are its arguments as they are now, `calls` is what `recorded` recorded, and `is_empty` says whether the
    function is nothing but its docstring and ``...``.
    """

    value: object
    after: list
    calls: list
    is_empty: bool


def run(function, given, place=None):
    """Call an answer; the argument at `place` is a Keras model whose calls are recorded."""
    with recorded(given[place]) if place is not None else contextlib.nullcontext([]) as calls:
        value = function(*given)
    return Outcome(value, given, calls, is_empty(function))


def serve(text, namespace, kernel):
    """Do what the judge asks of the learner's names; request and reply are JSON."""
    def ask(place, method, arguments, options):
        prompt = json.dumps([place, method, codec.encode(arguments), codec.encode(options)])
        kind, *content = json.loads(kernel.raw_input(CALLBACK + prompt))
        if kind == "error":
            raise getattr(builtins, content[0], RuntimeError)(content[1])
        if kind == "enough":
            raise KeyboardInterrupt
        value, drawn, reseeds = content
        for before, after in zip(arguments, codec.decode(drawn), strict=True):
            if after is not None:   # a generator that numbers were drawn from
                before.bit_generator.state = after.bit_generator.state
        if reseeds:
            reseed()
        return codec.decode(value)

    request, codec = json.loads(text), Codec(ask)
    try:
        if "fetch" in request:
            return json.dumps({name: {"function": None} if _is_function(namespace[name]) else
                               codec.encode(namespace[name]) for name in request["fetch"] if name in namespace})
        given = codec.decode(request["arguments"])
        outcome = run(namespace[request["call"]], given, request["place"])
        same = [place for place, argument in enumerate(given) if outcome.value is argument]
        return json.dumps({"value": {"yours": same[0]} if same else {"sent": codec.encode(outcome.value)},
                           "after": codec.encode(list(outcome.after)), "calls": codec.encode(outcome.calls),
                           "is_empty": outcome.is_empty})
    except (Exception, SystemExit) as error:
        return json.dumps({"error": blame(error)})


def _is_function(value):
    return callable(value) and not hasattr(value, "__array__") and "get_config" not in dir(value)


def reseed():
    """Set the global seeds, as training may."""
    np.random.seed(0)
    random.seed(0)


@contextlib.contextmanager
def recorded(model):
    """Record each call of a model, also in compiled steps: what it gets, and its kernels by then, in one row.

    The first and the last entry hold the kernels before and after, and nothing that the model gets.
    """
    import tensorflow as tf

    def kernels():
        return np.concatenate([weight.numpy().ravel() for weight in weights])

    first, weights = model.layers[0], [weight for weight in model.weights if weight.name == "kernel"]
    calls, forward = [(np.zeros(0), kernels())], first.call

    def record(x, *parts):
        calls.append((np.array(x), np.concatenate([part.ravel() for part in parts])))

    def call_and_record(x, *arguments, **options):
        tf.numpy_function(record, [x, *(weight.value for weight in weights)], [])
        return forward(x, *arguments, **options)

    jit = first.supports_jit
    first.call, first.supports_jit = call_and_record, False   # XLA cannot call NumPy
    try:
        yield calls
    finally:
        first.call, first.supports_jit = forward, jit
        calls.append((np.zeros(0), kernels()))


def is_empty(function):
    """Whether the body of a function is nothing but its docstring and ``...``."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_code in (_documented.__code__.co_code, _bare.__code__.co_code)


def _documented():
    """…"""
    ...


def _bare():
    ...


def blame(error):
    """An error inside an answer in one line: what, and in which of the learner's lines."""
    message = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__)
             if frame.line and not frame.filename.startswith(_NOT_THE_LEARNERS)]
    return f"your line `{lines[-1]}` stops with {what}" if lines else f"the answer cannot be used ({what})"


_NOT_THE_LEARNERS = (str(pathlib.Path(__file__).parents[1]) + os.sep, "<__array_function__",
                     *{sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib")})


def withhold():
    """From now on, importing a check gives an empty module whose functions do nothing."""
    for name in [name for name in sys.modules if name.startswith(WITHHELD)]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Withheld())


class _Withheld:
    """Finds an empty module for each check."""

    def find_spec(self, name, path=None, target=None):
        if f"{name}.".startswith(f"{WITHHELD}."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return types.ModuleType(spec.name, "Checks are somewhere else while answers are judged.")

    def exec_module(self, module):
        module.__getattr__ = lambda name: _nothing(name)


def _nothing(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *arguments, **options: None
