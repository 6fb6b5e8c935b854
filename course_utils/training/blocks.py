"""Runs of one structure, ten at a time: what one core trains in one call."""

import functools
import itertools

import numpy as np

from course_utils.training import batches, checks, initial_weights


class Block:
    """Some runs of a structure, as a program takes them.

    A program's shape is fixed: a block with fewer runs is filled with copies of its last one.

    Parameters
    ----------
    structure : structures.Structure
    members : slice
        Which of its runs.

    Attributes
    ----------
    count : int
        How many runs there are without the copies.
    """

    def __init__(self, structure, members):
        self.structure = structure
        self.count = len(structure.runs[members])
        self.runs, self.starts = self._filled(structure.runs[members]), self._filled(structure.starts[members])

    def train(self, program):
        """Yield the scores of one chunk of steps after another, without end: dict of arrays (runs, …).

        "stopped" says which runs a callback has stopped, and "weights" holds a function for each run that returns its
        weights. Nothing is drawn before the first `next`.
        """
        import tensorflow as tf

        from course_utils.training.callbacks import Watched

        structure, count, numbers, data = self.structure, self.count, self.numbers, self.data()
        callbacks, dtype = structure.options["callbacks"], structure.dtype
        state = self.state()
        watched = [Watched(callbacks, rate, structure.scores.metrics)
                   for rate in numbers["learning_rate"].numpy()[:count]] if callbacks else []
        done = 0
        for chunk, steps, order in self.chunks():
            if watched:
                rates = self._filled([run.optimizer.learning_rate for run in watched])
                state = (*state[:2], structure.stateless.with_rate(state[2], tf.constant(rates, dtype)))
            stopped = np.array([run.stop_training for run in watched] or [False] * count)
            if not stopped.all():
                state, scores = program(state, numbers, tf.constant(order), tf.constant(done), tf.constant(steps), data)
                scores = {name: value.numpy()[:count] for name, value in scores.items()}
                weights = [functools.partial(_weights, structure.model, state[:2], run) for run in range(count)]
            done += steps
            for values in scores.values():
                values[stopped] = np.nan
            for number, run in enumerate(watched if steps else []):
                if not stopped[number]:
                    run.after(chunk, {name: float(values[number]) for name, values in scores.items()
                                      if values.ndim == 1}, weights[number])
            yield scores | {"stopped": stopped, "weights": [
                functools.partial(run.final_weights, now)
                for run, now in zip(watched, weights, strict=True)] if watched else weights}

    def chunks(self):
        """Yield, chunk after chunk, its number, its steps, and which samples make up their batches.

        The last is an int32 array (capacity, runs, batch_size). A validation before the first step is chunk −1.
        """
        structure, plan = self.structure, self.structure.plan
        # Runs with the same seed, subset and shuffling see the same batches: draw them once.
        keys = [(run["seed"], run["train_size"], run["shuffle"]) for run in self.runs]
        unique = list(dict.fromkeys(keys))
        which = [unique.index(key) for key in keys]
        streams = [batches.indices(plan.samples, seed, batch_size=plan.batch_size, train_size=size, shuffle=shuffle)
                   for seed, size, shuffle in unique]
        for chunk in itertools.count(-structure.options["validate_first"]):
            steps = 0 if chunk < 0 else structure.chunk
            order = np.zeros((plan.capacity, len(self.runs), plan.batch_size), np.int32)
            if steps:
                drawn = np.array([list(itertools.islice(stream, steps)) for stream in streams])
                order[:steps] = drawn[which].swapaxes(0, 1)
            yield chunk, steps, order

    def data(self):
        """Data as the program takes them: dict of tensors."""
        import tensorflow as tf

        structure = self.structure
        splits, given = structure.splits, structure.options

        @functools.cache
        def targets(seed, rate):
            y = splits[seed].y_train
            return batches.noisy_labels(y, seed, rate, splits[seed].classes) if rate else y

        def weight(seed, y):
            if given["class_weight"] is not None:
                return checks.class_weight(given["class_weight"], y)
            weight = given["sample_weight"]
            return checks.sample_weight(weight(seed) if callable(weight) else weight, y)

        y = [targets(run["seed"], run["label_noise"]) for run in self.runs]
        data = (structure.shared_data if structure.shared else structure.data_of(self.runs)) | {
            "y": tf.constant(np.stack(y), structure.plan.target[1]),
            "x_new": tf.constant(structure.points, structure.model.inputs[0].dtype)}
        if structure.plan.weighted:
            weights = [weight(run["seed"], labels) for run, labels in zip(self.runs, y, strict=True)]
            data["weight"] = tf.constant(np.stack(weights), structure.dtype)
        return data

    @functools.cached_property
    def numbers(self):
        """What a run has of its own besides its data and weights: dict of tensors (runs, …)."""
        import tensorflow as tf

        from course_utils.training import layers, noise, program
        from course_utils.training.augmentation import strengths_of

        runs, dtype = self.runs, self.structure.dtype
        random = layers.random(self.structure.model)
        levels = [[layers.level(layer) if run[layers.knob(layer)] is None else run[layers.knob(layer)]
                   for layer in random] for run in runs]
        none = dict.fromkeys(program.NUMBERS, 0.0) | {"max_norm": np.inf} | self.structure.defaults
        numbers = {name: [(none[name] or 0.0) if run[name] is None else run[name] for run in runs]
                   for name in program.NUMBERS}
        return {name: tf.constant(values, dtype) for name, values in numbers.items()} | {
            "levels": tf.constant(np.reshape(levels, (len(runs), len(random))), dtype),
            "key": tf.constant([noise.run_key(run["seed"]) for run in runs], tf.uint32),
            "augmentation": {knob: tf.constant(values, dtype)
                             for knob, values in strengths_of(runs, self.structure.plan.augmentation).items()}}

    def state(self):
        """Trainable and other weights, and what the optimizer remembers, at the start: lists of tensors (runs, …)."""
        import tensorflow as tf

        structure, model = self.structure, self.structure.model
        given = {id(variable): place for place, variable in enumerate(model.weights)}
        complete = len(given) == len(model.variables) and None not in self.starts   # then none are drawn
        drawn = [([], []) if complete else initial_weights.weights(
            structure.build_model, structure.arguments, run["seed"], structure.dtype) for run in self.runs]
        scales = np.array([run["initial_scale"] for run in self.runs], structure.dtype)
        stacks = ([], [])
        for kind, variables in enumerate((model.trainable_variables, model.non_trainable_variables)):
            for place, variable in enumerate(variables):
                stack = np.stack([weights[kind][place] if start is None or id(variable) not in given
                                  else start[given[id(variable)]]
                                  for weights, start in zip(drawn, self.starts, strict=True)])
                if variable.name == "kernel":
                    stack = stack * scales.reshape(-1, *[1] * len(variable.shape))
                stacks[kind].append(tf.constant(stack, variable.dtype))
        slots = [tf.constant(values) for values in structure.stateless.state(len(self.runs))]
        return *stacks, structure.stateless.with_rate(slots, self.numbers["learning_rate"])

    def _filled(self, values):
        return values + values[-1:] * (self.structure.plan.runs - len(values))


def divided(structure):
    """The runs of a structure in blocks: list of ``(members, Block)``, where `members` is a slice."""
    size = structure.plan.runs
    if structure.shared:
        _ = structure.shared_data   # made here, once: each thread would make its own
    return [(members, Block(structure, members))
            for members in (slice(first, first + size) for first in range(0, len(structure.runs), size))]


def _weights(model, state, run):
    """The weights of a run in the order of ``model.get_weights()``."""
    stacks = dict(zip(map(id, [*model.trainable_variables, *model.non_trainable_variables]),
                      [*state[0], *state[1]], strict=True))
    # TensorFlow would take a hundred times as long to cut out one run.
    return [np.asarray(stacks[id(variable)])[run].copy() for variable in model.weights]
