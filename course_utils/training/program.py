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
import dataclasses
import functools
import gc
import logging
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from course_utils.training import augmentation as augmenting
from course_utils.training import diagnostics, layers, noise, penalties

_compiler = ThreadPoolExecutor(2, "compiler")
# A program takes each of these once per run; what no run has is not computed.
NUMBERS = ["learning_rate", "weight_decay", "l1", "l2", "max_norm", "label_smoothing"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a program is compiled for, besides its model, optimizer, and scores.

    Attributes
    ----------
    runs, samples, validation, batch_size : int
        Sizes: of the block, the training set, the validation set, a batch.
    data_sets : int
        1 if the runs share their data, `runs` if each has its own.
    capacity : int
        The most steps one call can take.
    target : tuple
        Shape of one target and its type.
    used : tuple of str
        Which of weight_decay, l1, l2, max_norm and label_smoothing the runs have.
    augmentation : tuple of str
        Which of `knobs.AUGMENTATION` they have.
    weighted : bool
        Whether the training samples have weights.
    penalty : bool
        Also report the penalty, which is part of loss and val_loss.
    batch_statistics : bool
        Also validate as in a training step, with the statistics of the validation batch.
    diagnostics : bool
        Also look inside the network at the last step.
    points : int
        How many samples to predict in addition.
    as_keras : bool
        Calculate with Keras's own layers, not with those that can be mapped, and without XLA.
    """

    runs: int
    samples: int
    validation: int
    batch_size: int
    data_sets: int
    capacity: int
    target: tuple = ((), "int32")
    used: tuple = ()
    augmentation: tuple = ()
    weighted: bool = False
    penalty: bool = False
    batch_statistics: bool = False
    diagnostics: bool = False
    points: int = 0
    as_keras: bool = False


class Program:
    """ "Train some steps, then validate" for a block of runs of one model.

    Parameters
    ----------
    model : keras.Model
        Its own weights are never used.
    optimizer : optimizers.Stateless
    scores : scores.Scores
    plan : Plan

    Calling it: ``(state, numbers, order, done, steps, data)`` → ``(state, scores)``

        state : tuple (trainable, other, slots) — lists of tensors (runs, ...): weights, and what the optimizer
        remembers
        numbers : dict of learning_rate, weight_decay, l1, l2, max_norm, label_smoothing (runs,),
        levels (runs, random layers) and key, uint32 (runs,), of the noise, and augmentation, a
        dict of its strengths
        order : int32 (capacity, runs, batch_size) — which samples make up each batch
        done, steps : int32 — steps taken before this call, and in it
        data : dict of
        x (data_sets * samples, ...) — all data sets, one below the other;
        y (runs, samples, ...) — targets of each run, some of the labels wrong;
        weight (runs, samples) of the samples, if they have any;
        x_val (data_sets, validation, ...); y_val (data_sets, validation, ...);
        x_new (points, ...), for all runs
        scores : dict of (runs,) — loss and metrics averaged over the steps, validation scores after the last; what
        `diagnostics.observer` sees, (runs, layers) and (runs, weights); and prediction
        (runs, points, ...) of the samples in x_new

    Raises
    ------
    NotMappable
        TensorFlow cannot vectorize one of the model's operations, and `runs` is not 1.
    """

    def __init__(self, model, optimizer, scores, plan):
        self.model, self.optimizer, self.scores, self.plan = model, optimizer, scores, plan
        self.variables, self.verified = model.trainable_variables, False   # whether it was compared with Keras
        with self._as_planned(), no_garbage_collection():
            observe = diagnostics.observer(model, scores.loss) if plan.diagnostics else None
            self.observe = observe
            program = tf.function(self.program, autograph=False).get_concrete_function(*self._arguments())
            # Traced twice: XLA compiles a call of the traced program faster than the program itself.
            self.compiled = tf.function(program, jit_compile=not plan.as_keras and xla_works(),
                                        autograph=False).get_concrete_function(*self._arguments())
        # XLA compiles at the first call: make it now, with no steps, while the next structure is traced.
        self.ready = _compiler.submit(self._dry_run)

    def __call__(self, *arguments):
        self.ready.result()
        return self.compiled(*arguments)

    def call(self, trainable, other, numbers, x, *, now, training):
        """Outputs, new other weights and penalties of one run; `now` counts steps, for the noise."""
        with noise.drawing_from(noise.Stream(numbers["key"], now, numbers["levels"])):
            outputs, other, added = self.model.stateless_call(trainable, other, x, training=training,
                                                              return_losses=True)
        if {"l1", "l2"} & set(self.plan.used):
            added = [*added, penalties.penalty(self.variables, trainable, numbers["l1"], numbers["l2"])]
        return outputs, other, tf.add_n([tf.zeros_like(numbers["learning_rate"]), *added])

    def gradients(self, trainable, other, numbers, batch, now):
        """Gradients of one run's loss on one batch, new other weights, and the training scores."""
        smoothing = numbers["label_smoothing"] if "label_smoothing" in self.plan.used else None
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, other, added = self.call(trainable, other, numbers, batch["x"], now=now, training=True)
            loss = self.scores.loss(batch["y"], outputs, batch.get("weight"), smoothing) + added
        gradients = tape.gradient(loss, trainable, unconnected_gradients="zero")
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]   # those of an Embedding are sparse
        return gradients, other, {"loss": loss, **self.scores.values(batch["y"], outputs)}

    def train_step(self, run, now):
        """One step of one run: its state, its numbers and its batch → its new state and its training scores."""
        (trainable, other, slots), numbers, batch = run
        batch = self.augment(batch, numbers, now)
        gradients, other, scores = self.gradients(trainable, other, numbers, batch, now)
        trainable, slots = self.optimizer.step(trainable, gradients, slots, numbers)
        if "max_norm" in self.plan.used:
            trainable = penalties.bounded(self.variables, trainable, numbers["max_norm"])
        return (trainable, other, slots), scores

    def augment(self, batch, numbers, now):
        """The batch of one run, changed as its numbers say."""
        if not self.plan.augmentation:
            return batch
        x, y = augmenting.augment_batch(batch["x"], batch["y"], numbers["augmentation"],
                                        augmenting.stream(numbers["key"], now), classes=self.model.output_shape[-1])
        return batch | {"x": x, "y": y}

    def validate(self, run):
        """Validation scores of one run, and the penalty in its loss."""
        (trainable, other, _), numbers, x, y = run
        smoothing = numbers["label_smoothing"] if "label_smoothing" in self.plan.used else None
        modes = {"": False} | ({"batch_": True} if self.plan.batch_statistics else {})
        scores = {}
        for name, training in modes.items():
            outputs, _, added = self.call(trainable, other, numbers, x, now=-1, training=training)
            found = {"loss": self.scores.loss(y, outputs, None, smoothing) + added, **self.scores.values(y, outputs)}
            scores |= {f"{name}val_{score}": value for score, value in found.items()}
            if self.plan.penalty and not training:
                scores["penalty"] = added
        return scores

    def predict(self, run, x):
        """Outputs of one run for some samples, in inference mode."""
        (trainable, other, _), numbers = run
        return self.call(trainable, other, numbers, x, now=-1, training=False)[0]

    def look_inside(self, run, now):
        """What `diagnostics.observer` sees of one run."""
        (trainable, other, _), numbers, batch = run
        batch = self.augment(batch, numbers, now)
        with noise.drawing_from(noise.Stream(numbers["key"], now, numbers["levels"])):
            return self.observe(trainable, other, batch["x"], batch["y"])

    def program(self, state, numbers, order, done, steps, data):
        """All steps of a block, and the validation after them."""
        plan, shared = self.plan, self.plan.data_sets == 1

        def batches(now):
            first = 0 if shared else plan.samples * tf.range(plan.runs)[:, None]   # where a run's data begin in x
            found = {"x": tf.gather(data["x"], first + order[now]), "y": tf.gather(data["y"], order[now], batch_dims=1)}
            if plan.weighted:
                found["weight"] = tf.gather(data["weight"], order[now], batch_dims=1)
            return found

        def train(now, state, totals):
            state, scores = for_all_runs(lambda run: self.train_step(run, done + now), (state, numbers, batches(now)))
            return now + 1, state, {name: totals[name] + scores[name] for name in totals}

        zeros = {name: tf.zeros_like(numbers["learning_rate"]) for name in self.scores.names}
        _, state, totals = tf.while_loop(lambda now, *_: now < steps, train, (0, state, zeros))
        scores = {name: total / tf.cast(steps, total.dtype) for name, total in totals.items()}
        if shared:
            scores |= for_all_runs(lambda run: self.validate((*run, data["x_val"][0], data["y_val"][0])),
                                   (state, numbers))
        else:
            scores |= for_all_runs(self.validate, (state, numbers, data["x_val"], data["y_val"]))
        if plan.points:
            scores["prediction"] = for_all_runs(lambda run: self.predict(run, data["x_new"]), (state, numbers))
        if plan.diagnostics:
            last = tf.maximum(steps - 1, 0)
            scores |= for_all_runs(lambda run: self.look_inside(run, done + last), (state, numbers, batches(last)))
        return state, scores

    def _as_planned(self):
        return layers.replaced(self.model, layers.RANDOM if self.plan.as_keras else layers.REPLACEMENTS)

    def _arguments(self):
        """The arguments of the program as TensorFlow specs."""
        plan, model, spec = self.plan, self.model, tf.TensorSpec

        def stacked(variables):
            return [spec((plan.runs, *variable.shape), variable.dtype) for variable in variables]

        sample, dtype = model.input_shape[1:], model.compute_dtype
        target, target_dtype = plan.target
        inputs = model.inputs[0].dtype
        numbers = {name: spec((plan.runs,), dtype) for name in NUMBERS} | {
            "levels": spec((plan.runs, len(layers.random(model))), dtype), "key": spec((plan.runs,), tf.uint32),
            "augmentation": augmenting.specs(plan.runs, plan.augmentation, dtype)}
        data = {"x": spec((plan.data_sets * plan.samples, *sample), inputs),
                "y": spec((plan.runs, plan.samples, *target), target_dtype),
                "x_val": spec((plan.data_sets, plan.validation, *sample), inputs),
                "y_val": spec((plan.data_sets, plan.validation, *target), target_dtype),
                "x_new": spec((plan.points, *sample), inputs)}
        if plan.weighted:
            data["weight"] = spec((plan.runs, plan.samples), dtype)
        state = (stacked(self.variables), stacked(model.non_trainable_variables), stacked(self.optimizer.variables))
        number = spec((), tf.int32)
        return state, numbers, spec((plan.capacity, plan.runs, plan.batch_size), tf.int32), number, number, data

    def _dry_run(self):
        self.compiled(*tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), self._arguments()))
        give_back_memory()


def give_back_memory():
    """Return to the system what the compiler has freed, about 100 MB; glibc would keep it for this process."""
    with contextlib.suppress(OSError, AttributeError):   # another system, another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


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
def no_garbage_collection():
    """Keep the garbage collector from looking through a million new objects again and again while they are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
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
