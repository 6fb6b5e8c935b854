"""Runs of one structure, ten at a time: what one core trains in one call."""

import functools
import gc
import inspect
import itertools
import json
import os
import re
import threading
import warnings

import cachetools
import numpy as np

from course_utils.models import all_layers
from course_utils.training import batches, checks, initial_weights
from course_utils.training.knobs import AUGMENTATION, NUMERIC

# Ten small networks, or five larger ones, fit a core's cache, and a grid of any size reuses one
# compiled program. A graphics card wants more at a time.
ON_CPU, ON_GPU = 10, 200
CACHE = 5e6   # bytes
PROGRAMS = 64   # compiled ones that are kept

_programs = cachetools.LRUCache(PROGRAMS)
_tracing = threading.RLock()   # a lab's thread and a cell may want a program at the same time


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
    options : dict
        What `fit_many` was asked for: ``loss``, ``metrics``, ``class_weight``, ``sample_weight``, ``callbacks``,
        ``validate_first``, ``predict``, ``batch_statistics``, ``diagnostics``, ``penalty``.
    starts : list
        For each run, the weights it starts with, or None.
    chunk : int
        Steps between two validations.
    dtype : str
    memory : float
        Bytes that the blocks trained at the same time may take.
    """

    def __init__(self, build_model, knobs, optimizer, runs, splits, *, options, starts, chunk, dtype, memory):
        from course_utils.training import callbacks, layers, optimizers
        from course_utils.training.scores import Scores

        self.again = functools.partial(Structure, build_model, knobs, optimizer, runs, splits, options=options,
                                       starts=starts, chunk=chunk, memory=memory)
        knobs = {knob: value for knob, value in knobs.items() if knob != "optimizer"}
        batch_size = knobs.pop("batch_size")
        self.build_model, self.optimizer, self.runs, self.splits = build_model, optimizer, runs, splits
        self.options, self.starts, self.chunk, self.batch_size, self.dtype = options, starts, chunk, batch_size, dtype
        split = splits[runs[0]["seed"]]
        self.samples, sample = len(split.x_train), split.x_train.shape[1:]
        self.predict = np.empty((0, *sample)) if options["predict"] is None else options["predict"]
        self.shared = all(splits[run["seed"]] is split for run in runs)
        self.capacity = max(chunk, self.samples // batch_size)
        checks.sizes(runs, self.samples, batch_size)

        self.used = tuple(knob for knob in NUMERIC if any(run[knob] is not None for run in runs))
        # What `build_model` takes too is left to the runs: any rate but 0, so that the layers are there.
        stand_ins = {"dropout": 0.5, "gaussian_noise": 0.5, "l1": 0.0, "l2": 0.0}
        knobs |= {knob: stand_ins[knob] for knob in self.used
                  if knob in stand_ins and knob in inspect.signature(build_model).parameters}
        classes = checks.classes(splits[run["seed"]] for run in runs)
        self.arguments = _all_arguments(build_model, knobs, sample, classes)
        self.model = initial_weights.template(build_model, self.arguments, dtype)
        checks.model(self.model, sample)
        checks.start(starts, self.model)
        with initial_weights.seeded(0, dtype):
            self.scores = Scores(options["loss"], options["metrics"], split.y_train.shape[1:],
                                 self.model.output_shape[1:])
        checks.targets(self.scores, self.model, [splits[run["seed"]] for run in runs], self.used, runs)
        for knob in {"dropout", "gaussian_noise"}.intersection(self.used):
            checks.randomness(self.model, build_model, knob, knobs.get(knob))
        if on_kernels := [knob for knob in ("l1", "l2", "max_norm") if knob in self.used]:
            checks.kernels(self.model, on_kernels)
        checks.augmentation(self.used, sample)
        callbacks.check_monitored(options["callbacks"], [
            prefix + name for prefix in ("", "val_", *["batch_val_"] * options["batch_statistics"])
            for name in self.scores.names], self.scores.metrics)
        self.penalized = layers.penalized(self.model) or bool({"l1", "l2"}.intersection(self.used))
        self.weighted = options["class_weight"] is not None or options["sample_weight"] is not None
        if optimizer.weight_decay is not None:
            self.used += ("weight_decay",)
        # What a run has where its grid says nothing, as far as it is more than "none".
        self.defaults = {"learning_rate": optimizers.learning_rate(optimizer),
                         "weight_decay": optimizer.weight_decay or 0.0}
        with initial_weights.seeded(0, dtype):   # its learning rate is of this type
            self.stateless = optimizers.Stateless(optimizer, self.model.trainable_variables,
                                                  "weight_decay" in self.used)
        # What a step of one run reads and writes: every activation, its gradient, and one temporary value.
        in_a_step = 3 * batch_size * self._activations() * np.dtype(dtype).itemsize
        most = ON_GPU if _has_gpu() else np.clip(CACHE // in_a_step, -(-ON_CPU // 2), ON_CPU)
        # Two runs use the program of ten: it takes longer to compile another one.
        self.size = 1 if len(runs) == 1 else int(np.clip(memory / cores() / self.bytes_per_run(), 1, most))
        self.as_keras = False   # without the layers that can be mapped, and without XLA

    def compile(self):
        """Have the program compiled, unless it is already; train the runs one by one if it must be."""
        with _tracing:
            try:
                self.program = self._program()
            except Unfit as reason:
                self._give_way(reason)

    def verify(self):
        """Compare the program with Keras, unless it was compared before; compile another one if it is wrong."""
        with _tracing:
            if getattr(self.program, "verified", False):
                return
            kind = self._difference()
            if kind and self.dtype == "float32":   # perhaps it is only rounding
                exact = self.again(dtype="float64")
                exact.size, exact.as_keras = self.size, self.as_keras
                try:
                    exact.program = exact._program()
                    kind = exact._difference()
                except Unfit as reason:
                    kind = str(reason)
            if kind:
                _programs[self._key()] = f"its results are not Keras's ({kind})"
                self._give_way(_programs[self._key()])
                self.verify()
            self.program.verified = True

    def _difference(self):
        """In what the program differs from Keras, if it does."""
        from course_utils.training import verify

        runs, starts = self._filled(self.runs[:self.size], self.starts[:self.size])
        numbers, data = self._numbers(runs), self._data(runs)
        state = self._state(runs, starts, numbers["learning_rate"])
        orders = self._orders(runs)
        order = next(itertools.islice(orders, self.options["validate_first"], None))
        try:
            return verify.difference(self.program, state, numbers, order, data,
                                     sorted({0, min(self.size, len(self.runs)) - 1}))
        except Exception as error:
            return _first_line(error)

    def _give_way(self, reason):
        """Compile a program that trains the runs one by one, or as Keras does, if that was not enough."""
        reason = str(reason).rstrip(".")
        if self.as_keras:
            raise ValueError(f"fit_many cannot train this model: {reason}; train it with model.fit.") from None
        if self.size > 1:
            warnings.warn(f"fit_many trains these {len(self.runs)} networks one by one: {reason}.", stacklevel=6)
        self.as_keras, self.size = self.size == 1, 1
        self.compile()

    def _plan(self):
        from course_utils.training.program import NUMBERS, Plan

        return Plan(
            runs=self.size, data_sets=1 if self.shared else self.size, samples=self.samples,
            validation=len(self.splits[self.runs[0]["seed"]].x_val), batch_size=self.batch_size, capacity=self.capacity,
            target=(self.splits[self.runs[0]["seed"]].y_train.shape[1:], "int32" if self.scores.sparse else self.dtype),
            used=tuple(knob for knob in NUMBERS if knob in self.used),
            augmentation=tuple(knob for knob in AUGMENTATION if knob in self.used),
            weighted=self.weighted, points=len(self.predict), mapped=not self.as_keras, xla=not self.as_keras,
            **{name: self.options[name] for name in ("penalty", "batch_statistics", "diagnostics")})

    def _key(self):
        from course_utils.training import optimizers

        return (_fingerprint(self.model) or (self.build_model, self.arguments), self.dtype, self.scores.key,
                optimizers.key(self.optimizer), self._plan())

    def _program(self):
        """The compiled program of this structure and these sizes, kept for the next call."""
        from course_utils.training.program import NotMappable, Program

        key = self._key()
        if key not in _programs:
            checks.probabilities(self.model, self.scores, self.splits[self.runs[0]["seed"]].x_train[:2])
            try:
                with initial_weights.seeded(0, self.model.dtype_policy):
                    _programs[key] = Program(self.model, self.stateless, self.scores, self._plan())
            except NotMappable as error:
                _programs[key] = f"TensorFlow cannot vectorize an operation of the model or its scores ({error})"
            except Exception as error:   # whatever goes wrong inside TensorFlow
                _programs[key] = _first_line(error)
        if isinstance(_programs[key], str):   # not to be tried again
            raise Unfit(_programs[key])
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
        return [(slice(start, start + self.size), self._train(slice(start, start + self.size)))
                for start in range(0, len(self.runs), self.size)]

    def _train(self, members):
        """Yield the scores of one block, chunk after chunk, without end."""
        import tensorflow as tf

        from course_utils.training.callbacks import Watched

        count = len(self.runs[members])
        runs, starts = self._filled(self.runs[members], self.starts[members])
        numbers, data = self._numbers(runs), self._data(runs)
        state = self._state(runs, starts, numbers["learning_rate"])
        watched = [Watched(self.options["callbacks"], rate, self.scores.metrics)
                   for rate in numbers["learning_rate"].numpy()[:count]] if self.options["callbacks"] else []
        done = 0
        for chunk, order in enumerate(self._orders(runs), -self.options["validate_first"]):
            if watched:
                rates = [run.optimizer.learning_rate for run in watched]
                slots = self.stateless.with_rate(state[2], tf.constant(*self._filled(rates), self.dtype))
                state = (*state[:2], slots)
            steps = 0 if chunk < 0 else self.chunk
            stopped = np.array([run.stop_training for run in watched] or [False] * count)
            if not stopped.all():
                state, scores = self.program(state, numbers, tf.constant(order), tf.constant(done), tf.constant(steps),
                                             data)
                scores = {name: value.numpy()[:count] for name, value in scores.items()}
                weights = [functools.partial(self._weights, state, run) for run in range(count)]
            done += steps
            for values in scores.values():
                values[stopped] = np.nan
            for number, run in enumerate(watched if chunk >= 0 else []):
                if not stopped[number]:
                    run.after(chunk, {name: float(values[number]) for name, values in scores.items()
                                      if values.ndim == 1}, weights[number])
            yield scores | {"stopped": stopped, "weights": [
                functools.partial(run.final_weights, now)
                for run, now in zip(watched, weights, strict=True)] if watched else weights}

    def _filled(self, *lists):
        """Lists as long as a block: the program's shape is fixed."""
        return [values + values[-1:] * (self.size - len(values)) for values in lists]

    def _weights(self, state, run):
        """The weights of a run in the order of ``model.get_weights()``."""
        stacks = dict(zip(map(id, [*self.model.trainable_variables, *self.model.non_trainable_variables]),
                          [*state[0], *state[1]], strict=True))
        return [stacks[id(variable)][run].numpy() for variable in self.model.weights]

    def _orders(self, runs):
        """Yield, chunk after chunk, which samples make up the batches: (capacity, runs, batch_size)."""
        # Runs with the same seed, subset and shuffling see the same batches: draw them once.
        keys = [(run["seed"], run["train_size"], run["shuffle"]) for run in runs]
        unique = list(dict.fromkeys(keys))
        which = [unique.index(key) for key in keys]
        streams = [batches.indices(self.samples, seed, batch_size=self.batch_size, train_size=size, shuffle=shuffle)
                   for seed, size, shuffle in unique]
        first = self.options["validate_first"]
        while True:
            order = np.zeros((self.capacity, len(runs), self.batch_size), np.int32)
            if first:   # without steps
                first = False
                yield order
            drawn = np.array([list(itertools.islice(stream, self.chunk)) for stream in streams])
            order[:self.chunk] = drawn[which].swapaxes(0, 1)
            yield order

    def _data(self, runs):
        """Data as the program takes them: dict of tensors."""
        import tensorflow as tf

        @functools.cache
        def targets(seed, rate):
            y = self.splits[seed].y_train
            return batches.noisy_labels(y, seed, rate, self.splits[seed].classes) if rate else y

        y = [targets(run["seed"], run["label_noise"]) for run in runs]
        data = (self._shared_data if self.shared else self._stacked_data(runs)) | {
            "y": tf.constant(np.stack(y), self._plan().target[1]),
            "x_new": tf.constant(self.predict, self.model.inputs[0].dtype)}
        if self.weighted:
            weights = [self._sample_weight(run["seed"], labels) for run, labels in zip(runs, y, strict=True)]
            data["weight"] = tf.constant(np.stack(weights), self.dtype)
        return data

    def _sample_weight(self, seed, y):
        """The weights of the training samples of a run."""
        if self.options["class_weight"] is not None:
            return checks.class_weight(self.options["class_weight"], y)
        given = self.options["sample_weight"]
        return checks.sample_weight(given(seed) if callable(given) else given, y)

    @functools.cached_property
    def _shared_data(self):
        return self._stacked_data(self.runs[:1])

    def _stacked_data(self, runs):
        """x, x_val, y_val of the data sets of these runs."""
        import tensorflow as tf

        used, inputs = [self.splits[run["seed"]] for run in runs], self.model.inputs[0].dtype
        return {"x": tf.constant(np.concatenate([split.x_train for split in used]), inputs),
                "x_val": tf.constant(np.stack([split.x_val for split in used]), inputs),
                "y_val": tf.constant(np.stack([split.y_val for split in used]), self._plan().target[1])}

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

    def _state(self, runs, starts, learning_rate):
        """Trainable and other weights, and what the optimizer remembers, at the start: lists of tensors (runs, …)."""
        import tensorflow as tf

        given = {id(variable): place for place, variable in enumerate(self.model.weights)}
        complete = len(given) == len(self.model.variables) and None not in starts   # then none are drawn
        drawn = [([], []) if complete else initial_weights.weights(
            self.build_model, self.arguments, run["seed"], self.dtype) for run in runs]
        scales = np.array([run["initial_scale"] for run in runs], self.dtype)
        stacks = ([], [])
        for kind, variables in enumerate((self.model.trainable_variables, self.model.non_trainable_variables)):
            for place, variable in enumerate(variables):
                stack = np.stack([weights[kind][place] if start is None or id(variable) not in given
                                  else start[given[id(variable)]]
                                  for weights, start in zip(drawn, starts, strict=True)])
                if variable.name == "kernel":
                    stack = stack * scales.reshape(-1, *[1] * len(variable.shape))
                stacks[kind].append(tf.constant(stack, variable.dtype))
        slots = [tf.constant(values) for values in self.stateless.state(len(runs))]
        return *stacks, self.stateless.with_rate(slots, learning_rate)

    def _activations(self):
        """How many numbers the layers give for one sample."""
        from course_utils.training import layers

        return sum(np.prod(output.shape[1:]) for output in layers.outputs(self.model))

    def bytes_per_run(self):
        """A generous estimate of the memory that one run takes while it is trained."""
        validation = len(self.splits[self.runs[0]["seed"]].x_val)
        weights = sum(np.prod(variable.shape) for variable in self.model.variables)
        slots = sum(np.prod(variable.shape) for variable in self.stateless.variables)
        numbers = 4 * weights + 2 * slots + 12 * self._activations() * max(
            validation, self.batch_size, len(self.predict))
        data = 0 if self.shared else (self.samples + validation) * np.prod(self.model.input_shape[1:])
        indices = self.samples + 2 * self.capacity * self.batch_size
        return (numbers + data) * np.dtype(self.dtype).itemsize + 4 * indices


def forget_programs():
    """Drop all compiled programs and give their memory back."""
    _programs.clear()
    gc.collect()


class Unfit(Exception):
    """A program does not do what Keras does, or cannot be compiled; the message says why."""


def _first_line(error):
    """The first sentence of what TensorFlow says."""
    sentence = re.split(r"[.?!](?:\s|$)|\n", str(error).strip(), maxsplit=1)[0]
    return f"{type(error).__name__}: {sentence:.200}"


def _fingerprint(model):
    """A description of a model by which a program can be found again, or None if it holds a learner's own code.

    It contains neither names nor initial weights: two models with the same description calculate the same.
    """
    own = [layer for layer in all_layers(model)
           if not type(layer).__module__.startswith("keras.") or hasattr(layer, "function") or
           hasattr(layer, "vocabulary_size")]
    if own:
        return None
    adapted = [variable.numpy().tobytes() for layer in all_layers(model) if hasattr(layer, "adapt")
               for variable in layer.variables]
    names = {layer.name: f"layer {place}" for place, layer in enumerate(all_layers(model))}

    def without_names(part):
        if isinstance(part, dict):
            return {key: names.get(value, 0) if key == "name" and isinstance(value, str) else without_names(value)
                    for key, value in part.items()
                    if key not in ("shared_object_id", "build_config") and not key.endswith("_initializer")}
        if isinstance(part, list | tuple):
            if len(part) == 3 and isinstance(part[0], str) and isinstance(part[1], int):
                return [names.get(part[0], part[0]), *part[1:]]
            return [without_names(value) for value in part]
        return part

    config = model.get_config()
    if re.search(r'"module": "(?!keras)', json.dumps(config, default=repr)):
        return None
    config = without_names(config)
    shapes = [(variable.name, tuple(variable.shape), variable.dtype) for variable in model.variables]
    return (type(model).__name__, json.dumps(config, sort_keys=True, default=repr), *adapted,
            json.dumps([shapes, len(model.trainable_variables)]))


def _all_arguments(build_model, structure, sample, classes):
    """All arguments of `build_model` as a hashable tuple: one model, one key, however it was asked for."""
    takes = inspect.signature(build_model).parameters
    defaults = {name: parameter.default for name, parameter in takes.items()
                if parameter.default is not parameter.empty}
    known = {"input_shape": tuple(sample)} | ({"classes": classes} if classes else {})
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
