"""The idea of `fit_many`: one step of one model, mapped over a block of runs and compiled.

A Keras model is used as a formula: `model.stateless_call(weights, x)` computes with the
weights it is given. Stack the weights of ten runs along a first axis, let
`tf.vectorized_map` turn the formula for one run into one for the whole stack (ten small
matrix products become one batched product), put the loop over the steps inside, and have
XLA compile the lot. What is left of Keras's and Python's overhead is paid once per chunk of
steps, not once per step and run.
"""

import contextlib
import ctypes
import functools
import gc
import logging
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf

from course_utils.training import augmentation as augmenting
from course_utils.training import diagnostics as inside
from course_utils.training import initial_weights, layers, noise, optimizers, penalties

_compiler = ThreadPoolExecutor(2, "compiler")
# A program takes each of these once per run; what no run has is not computed.
NUMBERS = ["learning_rate", "weight_decay", "l1", "l2", "max_norm", "label_smoothing"]


def compile_program(model, optimizer, *, runs, data_sets, samples, validation, batch_size, capacity,
                    used=(), augmentation=(), penalty=False, batch_statistics=False, diagnostics=False, points=0):
    """Compile "train some steps, then validate" for a block of runs of one model.

    Parameters
    ----------
    model : keras.Model
        Its own weights are never used.
    optimizer : keras.optimizers.Optimizer
        Its learning rate and weight decay are not used either, except for a schedule.
    runs, samples, validation, batch_size : int
        Sizes: of the block, the training set, the validation set, a batch.
    data_sets : int
        1 if the runs share their images, `runs` if each has its own.
    capacity : int
        The most steps one call can take.
    used : tuple of str
        Which of weight_decay, l1, l2, max_norm and label_smoothing the runs have.
    augmentation : tuple of str
        Which of `knobs.AUGMENTATION` they have.
    penalty : bool
        Also report the penalty, which is part of loss and val_loss.
    batch_statistics : bool
        Also validate as in a training step, with the statistics of the validation batch.
    diagnostics : bool
        Also look inside the network at the last step.
    points : int
        How many samples to predict in addition.

    Returns
    -------
    callable ``(state, numbers, order, done, steps, x, y, x_val, y_val, x_new)`` → ``(state, scores)``

        state : tuple (trainable, other, slots) — lists of weights (runs, ...), and for each
        trainable weight the list of what the optimizer remembers about it
        numbers : dict of learning_rate, weight_decay, l1, l2, max_norm, label_smoothing (runs,),
        levels (runs, random layers) and key, uint32 (runs,), of the noise, and augmentation, a
        dict of its strengths
        order : int32 (capacity, runs, batch_size) — which samples make up each batch
        done, steps : int32 — steps taken before this call, and in it
        x : (data_sets * samples, ...) — all data sets, one below the other
        y : int32 (runs, samples) — labels, some of them wrong, of each run
        x_val : (data_sets, validation, ...);  y_val : int32 (data_sets, validation)
        x_new : (points, ...), for all runs
        scores : dict of (runs,) — loss and accuracy averaged over the steps, val_loss and
        val_accuracy (and batch_val_loss, batch_val_accuracy) after the last; and what
        `diagnostics.observer` sees, (runs, layers) and (runs, weights); and probability
        (runs, points, classes) of the samples in x_new

    Raises
    ------
    NotMappable
        TensorFlow cannot vectorize one of the model's operations, and `runs` is not 1.
    """
    with initial_weights.seeded(0, model.dtype_policy):   # of the models built here only the formulas are used
        model = layers.mappable(model)
        observe = inside.observer(model, _score) if diagnostics else None
    variables = model.trainable_variables
    slots, update = optimizers.stacked(optimizer, variables, "weight_decay" in used)

    def call(trainable, other, numbers, x, *, now, training):
        """Outputs, new other weights and penalties of one run; `now` counts steps, for the noise."""
        with noise.drawing_from(noise.Stream(numbers["key"], now, numbers["levels"])):
            outputs, other, added = model.stateless_call(trainable, other, x, training=training, return_losses=True)
        if {"l1", "l2"} & set(used):
            added = [*added, penalties.penalty(variables, trainable, numbers["l1"], numbers["l2"])]
        return outputs, other, tf.add_n([tf.zeros_like(numbers["learning_rate"]), *added])

    def augment(x, y, numbers, now):
        return augmenting.augment_batch(x, y, numbers["augmentation"], augmenting.stream(numbers["key"], now),
                              classes=model.output_shape[-1])

    def score(y, outputs, numbers):
        return _score(y, outputs, numbers["label_smoothing"] if "label_smoothing" in used else None)

    def gradients(run, now):
        """Gradients of one run's loss on one batch."""
        trainable, other, numbers, x, y = run
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, other, added = call(trainable, other, numbers, x, now=now, training=True)
            loss, accuracy = score(y, outputs, numbers)
            loss += added
        return tape.gradient(loss, trainable, unconnected_gradients="zero"), other, loss, accuracy

    def validate(trainable, other, numbers, x, y):
        """Loss and accuracy of one run on validation data, and the penalty in that loss."""
        modes = {"": False} | ({"batch_": True} if batch_statistics else {})
        scores = {}
        for name, training in modes.items():
            outputs, _, added = call(trainable, other, numbers, x, now=-1, training=training)
            loss, scores[f"{name}val_accuracy"] = score(y, outputs, numbers)
            scores[f"{name}val_loss"] = loss + added
            if penalty and not training:
                scores["penalty"] = added
        return scores

    def predict(run, x):
        trainable, other, numbers = run
        return call(trainable, other, numbers, x, now=-1, training=False)[0]

    def look_inside(run, now):
        trainable, other, numbers, x, y = run
        with noise.drawing_from(noise.Stream(numbers["key"], now, numbers["levels"])):
            return observe(trainable, other, x, y)

    @tf.function(autograph=False)
    def program(state, numbers, order, done, steps, x, y, x_val, y_val, x_new):
        shared = data_sets == 1
        first = 0 if shared else samples * np.arange(runs)[:, None]   # where a run's data begin in x

        def batch(now):
            drawn = tf.gather(x, first + order[now]), tf.gather(y, order[now], batch_dims=1)
            return for_all_runs(lambda run: augment(*run, done + now), (*drawn, numbers)) if augmentation else drawn

        def train(now, trainable, other, slots, loss, accuracy):
            slopes, other, loss_now, accuracy_now = for_all_runs(
                lambda run: gradients(run, done + now), (trainable, other, numbers, *batch(now)))
            trainable, slots = update(trainable, slopes, slots, numbers["learning_rate"],
                                      numbers["weight_decay"], done + now)
            if "max_norm" in used:
                trainable = penalties.bounded(variables, trainable, numbers["max_norm"])
            return now + 1, trainable, other, slots, loss + loss_now, accuracy + accuracy_now

        zeros = tf.zeros_like(numbers["learning_rate"])
        _, trainable, other, slots, loss, accuracy = tf.while_loop(
            lambda now, *_: now < steps, train, (0, *state, zeros, zeros))
        scores = {"loss": loss / tf.cast(steps, loss.dtype), "accuracy": accuracy / tf.cast(steps, loss.dtype)}
        scores |= (for_all_runs(lambda run: validate(*run, x_val[0], y_val[0]), (trainable, other, numbers)) if shared
                   else for_all_runs(lambda run: validate(*run), (trainable, other, numbers, x_val, y_val)))
        if points:
            scores["probability"] = for_all_runs(lambda run: predict(run, x_new), (trainable, other, numbers))
        if diagnostics:
            last = tf.maximum(steps - 1, 0)
            scores |= for_all_runs(lambda run: look_inside(run, done + last),
                                   (trainable, other, numbers, *batch(last)))
        return (trainable, other, slots), scores

    def specs(variables):
        return [tf.TensorSpec((runs, *variable.shape), variable.dtype) for variable in variables]

    sample, dtype = model.input_shape[1:], model.compute_dtype
    trainable = specs(variables)
    numbers = {name: tf.TensorSpec((runs,), dtype) for name in NUMBERS} | {
        "levels": tf.TensorSpec((runs, len(layers.random(model))), dtype), "key": tf.TensorSpec((runs,), tf.uint32),
        "augmentation": augmenting.specs(runs, augmentation, dtype)}
    arguments = (
        (trainable, specs(model.non_trainable_variables), [[spec] * slots for spec in trainable]), numbers,
        tf.TensorSpec((capacity, runs, batch_size), tf.int32), tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.int32),
        tf.TensorSpec((data_sets * samples, *sample), dtype), tf.TensorSpec((runs, samples), tf.int32),
        tf.TensorSpec((data_sets, validation, *sample), dtype), tf.TensorSpec((data_sets, validation), tf.int32),
        tf.TensorSpec((points, *sample), dtype))
    with _no_garbage_collection():
        formula = program.get_concrete_function(*arguments)
        traced = tf.function(formula, jit_compile=xla_works(), autograph=False).get_concrete_function(*arguments)

    def dry_run():
        traced(*tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), arguments))
        give_back_memory()

    # XLA compiles at the first call: make it now, with no steps, while the next structure is traced.
    compiled = _compiler.submit(dry_run)

    def run(*arguments):
        compiled.result()
        return traced(*arguments)

    return run


def give_back_memory():
    """Return to the system what the compiler has freed, about 100 MB; glibc would keep it for this process."""
    with contextlib.suppress(OSError, AttributeError):   # another system, another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _score(y, outputs, label_smoothing=None):
    """Mean loss and accuracy of one batch; smoothing as in `keras.losses.CategoricalCrossentropy`.

    `y` are class numbers (samples,) or, mixed, their probabilities (samples, classes).
    """
    scores = getattr(outputs, "_keras_logits", outputs)   # what the softmax was taken of: same largest, no exp
    mixed = len(y.shape) == 2
    classes = outputs.shape[-1]
    hits = tf.equal(tf.argmax(scores, -1, output_type=tf.int32), tf.argmax(y, -1, output_type=tf.int32) if mixed else y)
    if label_smoothing is None and not mixed:
        loss = keras.losses.sparse_categorical_crossentropy(y, outputs)
    else:
        targets = y if mixed else tf.one_hot(y, classes, dtype=outputs.dtype)
        if label_smoothing is not None:
            targets = targets * (1 - label_smoothing) + label_smoothing / classes
        loss = keras.losses.categorical_crossentropy(targets, outputs)
    return tf.reduce_mean(loss), tf.reduce_mean(tf.cast(hits, outputs.dtype))


class NotMappable(Exception):
    """TensorFlow has no vectorized form of an operation; the message names it."""


def for_all_runs(function, runs):
    """Turn a function of one run into one of the whole stack, or call it if the stack holds one.

    Raises
    ------
    NotMappable
        Rather than fall back to a slow loop.
    """
    if tf.nest.flatten(runs)[0].shape[0] == 1:
        results = function(tf.nest.map_structure(lambda stack: stack[0], runs))
        return tf.nest.map_structure(lambda result: result[None], results)

    @tf.autograph.experimental.do_not_convert   # nothing in it needs rewriting
    def checked(run):
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        results = function(run)
        for operation in graph.get_operations()[before:]:
            if operation.type in ("While", "StatelessWhile"):   # XLA cannot compile what becomes of these
                raise NotMappable("a loop")
        return results

    logger = logging.getLogger("tensorflow")
    silent, logger.disabled = logger.disabled, True   # it would print a page about what is caught here
    try:
        return tf.vectorized_map(checked, runs, fallback_to_while_loop=False)
    except NotMappable:   # TensorFlow adds a page to the message
        raise NotMappable("a loop") from None
    except ValueError as error:
        operation = re.search(r"No pfor vectorization defined for (\w+)|op '(\w+)' expected to be loop invariant",
                              str(error))
        if not operation:
            raise
        raise NotMappable(operation[1] or operation[2]) from None
    finally:
        logger.disabled = silent


@contextlib.contextmanager
def _no_garbage_collection():
    """Keep the garbage collector from looking through a program's million objects, now and later.

    They live on as long as the program is kept; each look would stop everything for a third of
    a second.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@functools.cache
def xla_works():
    """Whether this TensorFlow can compile; without XLA `fit_many` is several times slower."""
    try:
        tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1.0))
    except (tf.errors.OpError, RuntimeError, ValueError):
        warnings.warn("This TensorFlow has no XLA compiler: fit_many works, but more slowly.", stacklevel=2)
        return False
    return True
