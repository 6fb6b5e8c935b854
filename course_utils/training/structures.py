"""What runs of one structure share: a model, its scores, and the plan by which their program is compiled."""

import dataclasses
import functools
import inspect
import json
import os
import re
from collections.abc import Callable

import numpy as np

from course_utils.models import all_layers
from course_utils.training import checks, initial_weights
from course_utils.training.knobs import AUGMENTATION, NUMERIC

# Ten small networks, or five larger ones, fit a core's cache, and a grid of any size reuses one
# compiled program. A graphics card wants more at a time.
ON_CPU, ON_GPU = 10, 200
CACHE = 5e6   # bytes


@dataclasses.dataclass(frozen=True, eq=False)
class Structure:
    """A model, its optimizer, and the runs that share them, checked but not compiled yet; `prepare` makes it.

    Attributes
    ----------
    build_model : callable → keras.Model
    arguments : tuple of (name, value)
        All that it is called with.
    model : keras.Model
        Its own weights are never used.
    optimizer : keras.optimizers.Optimizer
        As it was given.
    stateless : optimizers.Stateless
    scores : scores.Scores
    runs : list of dicts
        The numeric knobs of each run.
    splits : dict seed → Split
    starts : list
        For each run, the weights it starts with, or None.
    options : dict
        What `fit_many` was asked for.
    chunk : int
        Steps between two validations.
    defaults : dict
        Values for knobs that the grid leaves out: the optimizer's learning rate and weight decay.
    dtype : str
    plan : program.Plan
    in_type : callable
        Prepares the same structure in another type of numbers.
    """

    build_model: Callable
    arguments: tuple
    model: object
    optimizer: object
    stateless: object
    scores: object
    runs: list
    splits: dict
    starts: list
    options: dict
    chunk: int
    defaults: dict
    dtype: str
    plan: object
    in_type: Callable

    @property
    def split(self):
        """The data of the first run; those of the others have the same shapes."""
        return self.splits[self.runs[0]["seed"]]

    @property
    def shared(self):
        """Whether all runs have the same data."""
        return all(self.splits[run["seed"]] is self.split for run in self.runs)

    @property
    def points(self):
        """The samples to predict in addition."""
        given = self.options["predict"]
        return np.empty((0, *self.split.x_train.shape[1:])) if given is None else given

    @property
    def penalized(self):
        """Whether the loss contains penalties."""
        from course_utils.training import layers

        return layers.penalized(self.model) or bool({"l1", "l2"}.intersection(self.plan.used))

    @functools.cached_property
    def inside(self):
        """Names of the layers and weights that diagnostics look at."""
        from course_utils.training import diagnostics

        return diagnostics.names(self.model)

    @functools.cached_property
    def shared_data(self):
        """The data of all runs, once."""
        return self.data_of(self.runs[:1])

    def data_of(self, runs):
        """x, x_val, and y_val of the data sets of these runs, as tensors."""
        import tensorflow as tf

        used, inputs = [self.splits[run["seed"]] for run in runs], self.model.inputs[0].dtype
        return {"x": tf.constant(np.concatenate([split.x_train for split in used]), inputs),
                "x_val": tf.constant(np.stack([split.x_val for split in used]), inputs),
                "y_val": tf.constant(np.stack([split.y_val for split in used]), self.plan.target[1])}

    def planned(self, **changes):
        """The same structure with another plan."""
        plan = dataclasses.replace(self.plan, **changes)
        plan = dataclasses.replace(plan, data_sets=1 if self.shared else plan.runs)
        return dataclasses.replace(self, plan=plan)

    def exact(self):
        """The same structure in float64, or None if `build_model` returns a model of its own type."""
        if initial_weights.template(self.build_model, self.arguments, "float64").compute_dtype != "float64":
            return None
        return self.in_type(dtype="float64").planned(**{
            name: getattr(self.plan, name) for name in ("runs", "as_keras", "penalty")})

    def key(self):
        """A key that is the same for structures whose programs compute the same."""
        from course_utils.training import optimizers

        return (_fingerprint(self.model) or (self.build_model, self.arguments), self.dtype, self.scores.key,
                optimizers.key(self.optimizer), self.plan)

    def bytes_per_run(self):
        """A generous estimate of the memory that one run takes while it is trained."""
        plan = self.plan
        weights = sum(np.prod(variable.shape) for variable in self.model.variables)
        slots = sum(np.prod(variable.shape) for variable in self.stateless.variables)
        numbers = 4 * weights + 2 * slots + 12 * self.activations() * max(plan.validation, plan.batch_size, plan.points)
        data = 0 if self.shared else (plan.samples + plan.validation) * np.prod(self.model.input_shape[1:])
        indices = plan.samples + 2 * plan.capacity * plan.batch_size
        return (numbers + data) * np.dtype(self.dtype).itemsize + 4 * indices

    def activations(self):
        """How many numbers the layers give for one sample."""
        from course_utils.training import layers

        return sum(np.prod(output.shape[1:]) for output in layers.outputs(self.model))

    def block_size(self, memory):
        """How many runs one program trains, if the blocks trained at the same time may take so many bytes."""
        if len(self.runs) == 1:   # two runs use the program of ten: it takes longer to compile another one
            return 1
        # What a step of one run reads and writes: every activation, its gradient, and one temporary value.
        in_a_step = 3 * self.plan.batch_size * self.activations() * np.dtype(self.dtype).itemsize
        most = ON_GPU if _has_gpu() else np.clip(CACHE // in_a_step, -(-ON_CPU // 2), ON_CPU)
        return int(np.clip(memory / cores() / self.bytes_per_run(), 1, most))


def prepare(build_model, knobs, optimizer, runs, splits, *, options, starts, chunk, dtype, memory):
    """Build the model of some runs, check that all of it fits together, and plan the program.

    Parameters
    ----------
    build_model : callable → keras.Model
    knobs : dict
        Its arguments, ``batch_size`` and ``optimizer``, the name by which the grid has it.
    optimizer, runs, splits, starts, chunk
        As in `Structure`.
    options : dict
        ``loss``, ``metrics``, ``class_weight``, ``sample_weight``, ``callbacks``, ``validate_first``, ``predict``,
        ``batch_statistics``, ``diagnostics``.
    dtype : str
    memory : float
        Bytes that the blocks trained at the same time may take.

    Raises
    ------
    ValueError, TypeError
        In one sentence, what does not fit.
    """
    from course_utils.training import optimizers
    from course_utils.training.program import NUMBERS, Plan
    from course_utils.training.scores import Scores

    in_type = functools.partial(prepare, build_model, knobs, optimizer, runs, splits, options=options, starts=starts,
                                chunk=chunk, memory=memory)
    batch_size, split = knobs["batch_size"], splits[runs[0]["seed"]]
    used = [knob for knob in NUMERIC if any(run[knob] is not None for run in runs)]
    checks.sizes(runs, len(split.x_train), batch_size)
    # What `build_model` takes too is left to the runs: any rate but 0, so that the layers are there.
    stand_ins = {"dropout": 0.5, "gaussian_noise": 0.5, "l1": 0.0, "l2": 0.0}
    knobs = {knob: value for knob, value in knobs.items() if knob not in ("optimizer", "batch_size")} | {
        knob: stand_ins[knob] for knob in used
        if knob in stand_ins and knob in inspect.signature(build_model).parameters}
    classes = checks.classes(splits[run["seed"]] for run in runs)
    arguments = _all_arguments(build_model, knobs, split.x_train.shape[1:], classes)
    model = initial_weights.template(build_model, arguments, dtype)
    checks.model(model, split.x_train.shape[1:])
    checks.start(starts, model)
    if optimizer.weight_decay is not None:
        used.append("weight_decay")
    with initial_weights.seeded(0, dtype):   # their own numbers are of this type
        scores = Scores(options["loss"], options["metrics"], split.y_train.shape[1:], model.output_shape[1:])
        stateless = optimizers.Stateless(optimizer, model.trainable_variables, "weight_decay" in used)
    _check_knobs(used, knobs, runs, build_model, model, scores, splits, options)
    plan = Plan(
        runs=1, data_sets=1, samples=len(split.x_train), validation=len(split.x_val), batch_size=batch_size,
        capacity=max(chunk, len(split.x_train) // batch_size),
        target=(split.y_train.shape[1:], "int32" if scores.sparse else dtype),
        used=tuple(knob for knob in NUMBERS if knob in used),
        augmentation=tuple(knob for knob in AUGMENTATION if knob in used),
        weighted=options["class_weight"] is not None or options["sample_weight"] is not None,
        points=0 if options["predict"] is None else len(options["predict"]),
        **{name: options[name] for name in ("batch_statistics", "diagnostics")})
    structure = Structure(
        build_model, arguments, model, optimizer, stateless, scores, runs, splits, starts, options, chunk,
        {"learning_rate": optimizers.learning_rate(optimizer), "weight_decay": optimizer.weight_decay or 0.0},
        dtype, plan, in_type)
    return structure.planned(runs=structure.block_size(memory))


def _check_knobs(used, knobs, runs, build_model, model, scores, splits, options):
    """Refuse knobs that the model, its loss, or its callbacks cannot obey."""
    from course_utils.training import callbacks

    checks.targets(scores, model, [splits[run["seed"]] for run in runs], used, runs)
    for knob in {"dropout", "gaussian_noise"}.intersection(used):
        checks.randomness(model, build_model, knob, knobs.get(knob))
    if on_kernels := [knob for knob in ("l1", "l2", "max_norm") if knob in used]:
        checks.kernels(model, on_kernels)
    checks.augmentation(used, model.input_shape[1:])
    callbacks.check_monitored(options["callbacks"], [
        prefix + name for prefix in ("", "val_", *["batch_val_"] * options["batch_statistics"])
        for name in scores.names], scores.metrics)


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
