"""Runs of one structure, ten at a time: what one core trains in one call."""

import functools
import gc
import inspect
import itertools
import os
import threading
import warnings

import cachetools
import numpy as np

from course_utils.training import batches, checks, initial_weights
from course_utils.training.knobs import AUGMENTATION, NUMERIC

# Ten small networks, or five larger ones, fit a core's cache, and a grid of any size reuses one
# compiled program. A graphics card wants more at a time.
ON_CPU, ON_GPU = 10, 200
CACHE = 5e6   # bytes
PROGRAMS = 64   # compiled ones that are kept
FROZEN = 5_000_000   # objects kept from the garbage collector (see program.py) before it looks through all again

_programs = cachetools.LRUCache(PROGRAMS)
_tracing = threading.Lock()   # a lab's thread and a cell may want a program at the same time


class Structure:
    """A model, its optimizer and the runs that share them, checked but not compiled yet.

    Parameters
    ----------
    build_model : callable → keras.Model
    knobs : dict
        Its arguments, ``batch_size`` and ``optimizer``, the name by which the grid has it.
    optimizer : keras.optimizers.Optimizer
    runs : list of dicts
        The numeric knobs of each run.
    splits : dict seed → Split
    chunk : int
        Steps between two validations.
    dtype : str
    memory : float
        Bytes that the blocks trained at the same time may take.
    asked : dict
        ``batch_statistics``, ``diagnostics`` and ``penalty``: what to report.
    predict : array (points, ...), optional
        Samples to predict at every validation.
    """

    def __init__(self, build_model, knobs, optimizer, runs, splits, *, chunk, dtype, memory, asked, predict=None):
        from course_utils.training import layers, optimizers

        knobs = {knob: value for knob, value in knobs.items() if knob != "optimizer"}
        batch_size = knobs.pop("batch_size")
        self.build_model, self.optimizer, self.runs, self.splits = build_model, optimizer, runs, splits
        self.chunk, self.batch_size, self.dtype, self.asked = chunk, batch_size, dtype, asked
        split = splits[runs[0]["seed"]]
        self.samples, sample = len(split.x_train), split.x_train.shape[1:]
        self.validation = len(split.x_val)
        self.predict = np.empty((0, *sample)) if predict is None else predict
        self.shared = all(splits[run["seed"]] is split for run in runs)
        self.capacity = max(chunk, self.samples // batch_size)
        classes = max(splits[run["seed"]].classes for run in runs)
        checks.sizes(runs, self.samples, batch_size)

        self.used = tuple(knob for knob in NUMERIC if any(run[knob] is not None for run in runs))
        # What `build_model` takes too is left to the runs: any rate but 0, so that the layers are there.
        stand_ins = {"dropout": 0.5, "gaussian_noise": 0.5, "l1": 0.0, "l2": 0.0}
        knobs |= {knob: stand_ins[knob] for knob in self.used
                  if knob in stand_ins and knob in inspect.signature(build_model).parameters}
        self.arguments = _all_arguments(build_model, knobs, sample, classes)
        self.model = initial_weights.template(build_model, self.arguments, dtype)
        checks.shapes(self.model, sample, classes)
        checks.constraints(self.model)
        for knob in {"dropout", "gaussian_noise"}.intersection(self.used):
            checks.randomness(self.model, build_model, knob, knobs.get(knob))
        if on_kernels := [knob for knob in ("l1", "l2", "max_norm") if knob in self.used]:
            checks.kernels(self.model, on_kernels)
        checks.augmentation(self.used, sample)
        self.penalized = layers.penalized(self.model) or bool({"l1", "l2"}.intersection(self.used))
        if optimizer.weight_decay is not None:
            self.used += ("weight_decay",)
        # What a run has where its grid says nothing, as far as it is more than "none".
        self.defaults = {"learning_rate": optimizers.learning_rate(optimizer),
                         "weight_decay": optimizer.weight_decay or 0.0}
        self.slots = optimizers.RULES[type(optimizer)](optimizer)[0]
        # What a step of one run reads and writes: every activation, its gradient, and one temporary value.
        in_a_step = 3 * batch_size * self._activations() * np.dtype(dtype).itemsize
        most = ON_GPU if _has_gpu() else np.clip(CACHE // in_a_step, -(-ON_CPU // 2), ON_CPU)
        self.size = int(np.clip(memory / cores() / self.bytes_per_run(), 1, min(most, len(runs))))

    def compile(self):
        """Have the program compiled, unless it is already; train the runs one by one if it must be."""
        from course_utils.training import program

        with _tracing:
            try:
                self.program = self._program()
            except program.NotMappable as error:
                warnings.warn(f"fit_many trains these {len(self.runs)} networks one by one: TensorFlow cannot "
                              f"vectorize an operation of the model ({error}).", stacklevel=4)
                self.size = 1
                self.program = self._program()

    def _program(self):
        """The compiled program of this structure and these sizes, kept for the next call."""
        from course_utils.training import optimizers, program

        sizes = {"runs": self.size, "data_sets": 1 if self.shared else self.size, "samples": self.samples,
                 "validation": self.validation, "batch_size": self.batch_size, "capacity": self.capacity,
                 "used": tuple(knob for knob in program.NUMBERS if knob in self.used),
                 "augmentation": tuple(knob for knob in AUGMENTATION if knob in self.used),
                 "points": len(self.predict), **self.asked}
        key = (self.build_model, self.arguments, self.dtype, optimizers.key(self.optimizer), *sizes.values())
        if key not in _programs:
            checks.probabilities(self.model)
            if len(_programs) == PROGRAMS or gc.get_freeze_count() > FROZEN:
                if len(_programs) == PROGRAMS:
                    _programs.popitem()
                gc.unfreeze()
                gc.collect()
            try:
                _programs[key] = program.compile_program(self.model, self.optimizer, **sizes)
            except program.NotMappable as error:
                _programs[key] = str(error)   # not to be tried again
        if isinstance(_programs[key], str):
            raise program.NotMappable(_programs[key])
        return _programs[key]

    @functools.cached_property
    def inside(self):
        """Names of the layers and weights that diagnostics look at."""
        from course_utils.training import diagnostics

        return diagnostics.names(self.model)

    def blocks(self):
        """Divide the runs into blocks.

        Returns
        -------
        list of ``(members, scores)``
            members : slice, which of the runs
            scores : generator; each `next` trains one chunk and returns a dict of arrays
            (runs, …). Nothing is drawn before the first.
        """
        return [(slice(start, start + self.size), self._train(self.runs[start:start + self.size]))
                for start in range(0, len(self.runs), self.size)]

    def _train(self, members):
        """Yield the scores of one block, chunk after chunk, without end."""
        import tensorflow as tf

        runs = members + members[-1:] * (self.size - len(members))   # the program's shape is fixed
        state, numbers, data = self._state(runs), self._numbers(runs), self._data(runs)
        steps = tf.constant(self.chunk)
        for chunk, order in enumerate(self._orders(runs)):
            state, scores = self.program(state, numbers, tf.constant(order), tf.constant(chunk * self.chunk),
                                         steps, *data)
            yield {name: value.numpy()[:len(members)] for name, value in scores.items()}

    def _orders(self, runs):
        """Yield, chunk after chunk, which samples make up the batches: (capacity, runs, batch_size)."""
        # Runs with the same seed, subset and shuffling see the same batches: draw them once.
        keys = [(run["seed"], run["train_size"], run["shuffle"]) for run in runs]
        unique = list(dict.fromkeys(keys))
        which = [unique.index(key) for key in keys]
        streams = [batches.indices(self.samples, seed, batch_size=self.batch_size, train_size=size, shuffle=shuffle)
                   for seed, size, shuffle in unique]
        while True:
            order = np.zeros((self.capacity, len(runs), self.batch_size), np.int32)
            drawn = np.array([list(itertools.islice(stream, self.chunk)) for stream in streams])
            order[:self.chunk] = drawn[which].swapaxes(0, 1)
            yield order

    def _data(self, runs):
        """x, y, x_val, y_val, x_new as the program takes them."""
        import tensorflow as tf

        labels = functools.cache(lambda seed, rate: batches.noisy_labels(
            self.splits[seed].y_train, seed, rate, self.splits[seed].classes))
        y = np.stack([labels(run["seed"], run["label_noise"]) for run in runs])
        x, x_val, y_val = self._shared_data if self.shared else self._stacked_data(runs)
        return x, tf.constant(y, tf.int32), x_val, y_val, tf.constant(self.predict, self.dtype)

    @functools.cached_property
    def _shared_data(self):
        return self._stacked_data(self.runs[:1])

    def _stacked_data(self, runs):
        """x, x_val, y_val of the data sets of these runs."""
        import tensorflow as tf

        used = [self.splits[run["seed"]] for run in runs]
        return (tf.constant(np.concatenate([split.x_train for split in used]), self.dtype),
                tf.constant(np.stack([split.x_val for split in used]), self.dtype),
                tf.constant(np.stack([split.y_val for split in used]), tf.int32))

    def _numbers(self, runs):
        """What a run has of its own besides its data and weights: dict of tensors (runs, …)."""
        import tensorflow as tf

        from course_utils.training import layers, noise, program
        from course_utils.training.augmentation import strengths_of

        random = layers.random(self.model)
        levels = [[layers.level(layer) if run[layers.knob(layer)] is None else run[layers.knob(layer)]
                   for layer in random] for run in runs]
        none = dict.fromkeys(program.NUMBERS, 0.0) | {"max_norm": np.inf} | self.defaults
        numbers = {name: [(none[name] or 0.0) if run[name] is None else run[name] for run in runs]
                   for name in program.NUMBERS}
        return {name: tf.constant(values, self.dtype) for name, values in numbers.items()} | {
            "levels": tf.constant(np.reshape(levels, (len(runs), len(random))), self.dtype),
            "key": tf.constant([noise.run_key(run["seed"]) for run in runs], tf.uint32),
            "augmentation": {knob: tf.constant(values, self.dtype)
                             for knob, values in strengths_of(runs, self.used).items()}}

    def _state(self, runs):
        """Initial trainable and other weights, and what the optimizer remembers: lists of tensors (runs, …)."""
        import tensorflow as tf

        initial = [initial_weights.weights(self.build_model, self.arguments, run["seed"], self.dtype) for run in runs]
        scales = np.array([run["initial_scale"] for run in runs], self.dtype)
        stacks = ([], [])
        for kind, variables in enumerate((self.model.trainable_variables, self.model.non_trainable_variables)):
            for place, variable in enumerate(variables):
                stack = np.stack([start[kind][place] for start in initial])
                if variable.name == "kernel":
                    stack = stack * scales.reshape(-1, *[1] * len(variable.shape))
                stacks[kind].append(tf.constant(stack))
        return *stacks, [[tf.zeros_like(stack)] * self.slots for stack in stacks[0]]

    def _activations(self):
        """How many numbers the layers give for one sample."""
        from course_utils.training import layers

        return sum(np.prod(output.shape[1:]) for output in layers.outputs(self.model))

    def bytes_per_run(self):
        """A generous estimate of the memory that one run takes while it is trained."""
        weights = sum(np.prod(variable.shape) for variable in self.model.variables)
        numbers = weights * (4 + 2 * self.slots) + 12 * self._activations() * max(
            self.validation, self.batch_size, len(self.predict))
        data = 0 if self.shared else (self.samples + self.validation) * np.prod(self.model.input_shape[1:])
        indices = self.samples + 2 * self.capacity * self.batch_size
        return (numbers + data) * np.dtype(self.dtype).itemsize + 4 * indices


def forget_programs():
    """Drop all compiled programs and give their memory back."""
    _programs.clear()
    gc.unfreeze()
    gc.collect()


def _all_arguments(build_model, structure, sample, classes):
    """All arguments of `build_model` as a hashable tuple: one model, one key, however it was asked for."""
    takes = inspect.signature(build_model).parameters
    defaults = {name: parameter.default for name, parameter in takes.items()
                if parameter.default is not parameter.empty}
    known = {"input_shape": tuple(sample), "classes": classes}
    structure = defaults | {knob: value for knob, value in known.items() if knob in takes} | structure
    return tuple(sorted((knob, tuple(value) if isinstance(value, list) else value)
                        for knob, value in structure.items()))


@functools.cache
def _has_gpu():
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def cores():
    """How many blocks to train at the same time."""
    if _has_gpu():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
