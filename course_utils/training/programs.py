"""Compiled programs: kept for the next call, compared with Keras, and replaced by slower ones where they are wrong."""

import gc
import re
import threading
import warnings

import cachetools
import numpy as np

from course_utils.training import blocks, checks, initial_weights

KEPT = 32

_programs = cachetools.LRUCache(KEPT)   # or, in place of a program, why there is none
_tracing = threading.RLock()   # a lab's thread and a cell may want a program at the same time


def compiled(structure):
    """The program of a structure, which XLA may still be compiling.

    Returns
    -------
    ``(structure, program)``; the structure's plan is one that can be compiled: for ten runs, for one at a time, or
    with Keras's own layers and without XLA.

    Raises
    ------
    ValueError
        None of them can.
    """
    with _tracing:
        try:
            return structure, _program(structure)
        except Unfit as reason:
            return compiled(_slower(structure, reason))


def verified(structure, program):
    """A pair that `compiled` returned, or, if the program does not do what Keras does, another one."""
    with _tracing:
        if program.verified:
            return structure, program
        try:
            difference = _difference(structure, program)
            if difference and structure.dtype == "float32":
                difference = _exact_difference(structure, difference)
            reason = difference and f"its results differ from Keras's ({difference})"
        except Unfit as error:
            reason = str(error)
        if reason:
            _programs[structure.key()] = reason
            return verified(*compiled(_slower(structure, reason)))
        program.verified = True
        return structure, program


def forget_programs():
    """Drop all compiled programs and give their memory back."""
    with _tracing:
        _programs.clear()
    gc.collect()


class Unfit(Exception):
    """A program does not do what Keras does, or cannot be compiled; the message says why."""


def _program(structure):
    """The compiled program of a structure, kept for the next call."""
    from course_utils.training.program import NotMappable, Program

    key = structure.key()
    if key not in _programs:
        checks.probabilities(structure.model, structure.scores, structure.split.x_train[:2])
        try:
            with initial_weights.seeded(0, structure.model.dtype_policy):
                _programs[key] = Program(structure.model, structure.stateless, structure.scores, structure.plan)
        except NotMappable as error:
            _programs[key] = f"TensorFlow cannot vectorize an operation of the model or its scores ({error})"
        except Exception as error:   # whatever goes wrong inside TensorFlow
            _programs[key] = _first_sentence(error)
    if isinstance(_programs[key], str):   # not to be tried again
        raise Unfit(_programs[key])
    return _programs[key]


def _slower(structure, reason):
    """The structure with the next slower plan: one run at a time, and then as Keras does it."""
    reason, number = str(reason).rstrip("."), len(structure.runs)
    if structure.plan.as_keras:
        raise ValueError(f"fit_many cannot train this model: {reason}; train it with model.fit.") from None
    if structure.plan.runs > 1:
        warnings.warn(f"fit_many trains these {number} networks one by one: {reason}.", stacklevel=6)
        return structure.planned(runs=1)
    if number == 1:   # else that they take longer was said already
        warnings.warn(f"fit_many trains this network as model.fit does, which takes longer: {reason}.", stacklevel=6)
    return structure.planned(as_keras=True)


def _difference(structure, program):
    """In what the program differs from Keras, if it does."""
    from course_utils.training import verify

    block = blocks.Block(structure, slice(structure.plan.runs))
    state, numbers, data = block.state(), block.numbers, block.data()   # what is wrong with them is for the caller
    # Whatever follows the first steps is padding: batches of one sample repeated, which batch norm turns into noise.
    order = next(np.resize(order[:steps], order.shape) for _, steps, order in block.chunks() if steps)
    try:
        return verify.difference(program, state, numbers, order, data, sorted({0, block.count - 1}))
    except Exception as error:   # whatever goes wrong inside TensorFlow, such as a compilation
        raise Unfit(_first_sentence(error)) from None


def _exact_difference(structure, difference):
    """The difference that remains in float64, or None if it was only rounding."""
    exact = structure.exact()
    return difference if exact is None else _difference(exact, _program(exact))


def _first_sentence(error):
    """The first sentence of what TensorFlow says."""
    sentence = re.split(r"[.?!](?:\s|$)|\n", str(error).strip(), maxsplit=1)[0]
    return f"{type(error).__name__}: {sentence:.200}"
