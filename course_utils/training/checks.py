"""Checks that refuse what cannot be trained, before anything is compiled, in one sentence each."""

import numpy as np

from course_utils.models import all_layers, image_shape
from course_utils.training.knobs import AUGMENTATION


def splits(data, seeds):
    """One `Split` for every seed, checked; the same one if `data` is one."""
    given = {seed: data(seed) if callable(data) else data for seed in seeds}
    first = given[seeds[0]]
    for split in {id(split): split for split in given.values()}.values():
        for field in ("x_train", "y_train", "x_val", "y_val"):
            values = getattr(split, field, None)
            if not isinstance(values, np.ndarray):
                raise TypeError(f"data has no array {field}; expected a Split such as datasets.digits(), "
                                "or a function of the seed that returns one.")
            if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
                raise ValueError(f"{field} is an array of {values.dtype}; expected numbers: convert it with "
                                 f"{field}.astype('float32').")
            if not np.isfinite(values).all():
                raise ValueError(f"{field} holds values that are not finite; remove or fill them first.")
        for part in ("train", "val"):
            x, y = getattr(split, f"x_{part}"), getattr(split, f"y_{part}")
            if len(x) != len(y) or not len(x):
                raise ValueError(f"x_{part} holds {len(x)} samples and y_{part} {len(y)} labels; expected "
                                 "the same number, and at least one.")
        for what, train, val in (("sample", split.x_train, split.x_val), ("target", split.y_train, split.y_val)):
            if train.shape[1:] != val.shape[1:]:
                raise ValueError(f"One training {what} has shape {train.shape[1:]} and one validation "
                                 f"{what} {val.shape[1:]}; expected the same.")
        if any(getattr(split, field).shape != getattr(first, field).shape for field in ("x_train", "y_train", "x_val")):
            raise ValueError("data gives splits of different sizes for different seeds; expected the same "
                             "number of training and of validation samples for all.")
    return given


def classes(splits):
    """How many classes the labels of some splits have, as `build_model` gets it; None for other targets."""
    labels = [split for split in splits if split.y_train.ndim == 1 and np.issubdtype(split.y_train.dtype, np.integer)]
    return max((split.classes for split in labels), default=None)


def targets(scores, model, splits, used, runs):
    """Refuse targets that do not fit the loss or the outputs of a model, and knobs that need class numbers."""
    outputs, y = tuple(model.output_shape[1:]), splits[0].y_train
    if scores.metrics and getattr(model.outputs[0], "_keras_mask", None) is not None:
        raise ValueError("The outputs of the model have a mask, so a metric is not the mean of those of the batches; "
                         "give metrics=[].")
    for knob, given in (("label_smoothing", "label_smoothing" in used), ("mixup", "mixup" in used),
                        ("label_noise", any(run["label_noise"] for run in runs))):
        if given and not (scores.sparse and y.ndim == 1):
            raise ValueError(f"grid['{knob}'] changes class numbers; expected such labels and the loss "
                             "'sparse_categorical_crossentropy'.")
        if given and knob != "label_noise" and scores.ignores:
            raise ValueError(f"grid['{knob}'] mixes classes, so that none can be ignored; leave out ignore_class.")
    if not scores.sparse:
        if y.shape[1:] not in (outputs, outputs[:-1] if outputs[-1:] == (1,) else outputs):
            raise ValueError(f"The model returns an array of shape {outputs} per sample, but a target has shape "
                             f"{y.shape[1:]}; give its last layer as many units as a target has numbers.")
        return
    for split in {id(split): split for split in splits}.values():
        for part in ("train", "val"):
            y = getattr(split, f"y_{part}")
            if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.shape[1:] not in (
                    outputs[:-1], (*outputs[:-1], 1)):
                raise ValueError(f"y_{part} is not a vector of class numbers 0, 1, 2 …; expected integers of shape "
                                 f"({len(y)},), not {y.dtype} of shape {y.shape}, or another loss, such as loss='mse'.")
        if split.y_val.max() >= split.classes:
            raise ValueError(f"y_val holds class {split.y_val.max()}, but y_train only classes 0 to "
                             f"{split.classes - 1}; expected the same classes in both.")
        if split.y_train.min() == 1 and outputs[-1] == split.classes - 1:
            raise ValueError(f"The labels are 1 to {split.classes - 1}; expected them to start from 0: subtract 1 from "
                             "y_train and y_val.")
    most = max(split.classes for split in splits)
    if most == 1:
        raise ValueError("All labels are 0; expected at least two classes.")
    if outputs[-1] != most:
        raise ValueError(f"The model returns {outputs} numbers per sample, but the data "
                         f"have {most} classes; give its last layer {most} units.")


def class_weight(given, y):
    """The weight of each sample from that of its class."""
    if not isinstance(given, dict) or y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise ValueError("class_weight is a dict from class number to weight, for labels that are class numbers; for "
                         "other targets give sample_weight.")
    if missing := set(np.unique(y).tolist()) - set(given):
        raise ValueError(f"class_weight has no class {min(missing)}; expected a weight for every class of y_train.")
    return np.array([given[label] for label in y.tolist()])


def sample_weight(given, y):
    """The weight of each sample, checked."""
    given = np.asarray(given)
    if given.shape != (len(y),) or not np.issubdtype(given.dtype, np.number) or not np.isfinite(given).all():
        raise ValueError(f"sample_weight is an array of {given.dtype} of shape {given.shape}; expected a finite number "
                         f"for each of the {len(y)} training samples.")
    return given


def starts(given, runs):
    """The weights that each run starts with: those given for all, or one list for each; None for initial weights."""
    if given is None or (isinstance(given, list | tuple) and all(
            isinstance(values, np.ndarray) and values.dtype != object for values in given)):
        return [given] * runs
    if not isinstance(given, list | tuple) and getattr(given, "dtype", None) != np.dtype(object):
        raise TypeError(f"start is of type {type(given).__name__}; expected a list of arrays, as model.get_weights() "
                        "gives it, one such list for each run, or runs.weights of a training.")
    each = list(np.asarray(given, object).ravel()) if hasattr(given, "shape") else list(given)
    if len(each) != runs:
        raise ValueError(f"start holds the weights of {len(each)} networks, but the grid has {runs} runs; expected as "
                         "many, or one list of arrays, as model.get_weights() gives it, for all.")
    return each


def start(given, model):
    """Refuse weights to start with that do not fit a model."""
    shapes = [tuple(weight.shape) for weight in model.weights]
    for weights in given:
        if weights is not None and [np.shape(values) for values in weights] != shapes:
            raise ValueError(f"start holds arrays of shapes {[np.shape(values) for values in weights]!s:.100}, but the "
                             f"weights of the model have {shapes!s:.100}; expected what model.get_weights() gives.")
        if weights is not None and not all(np.isfinite(values).all() for values in weights):
            raise ValueError("start holds numbers that are not finite; a network that has diverged cannot be trained "
                             "on.")


def points(predict, split):
    """Samples to predict as an array, checked; None if there are none."""
    if predict is None:
        return None
    points, sample = np.asarray(predict), split.x_train.shape[1:]
    if points.shape[1:] != sample or not len(points) or not np.issubdtype(points.dtype, np.number):
        raise ValueError(f"predict is an array of {points.dtype} of shape {points.shape}; expected numbers of shape "
                         f"({', '.join(map(str, ('points', *sample)))}), as in the training data.")
    if not np.isfinite(points).all():
        raise ValueError("predict holds values that are not finite; remove or fill them first.")
    return points


def sizes(runs, samples, batch_size):
    """Refuse training sets that do not fill a batch, or that the data do not hold."""
    for size in {run["train_size"] or samples for run in runs}:
        if size > samples:
            raise ValueError(f"grid['train_size'] holds {size}, but there are {samples} training samples.")
        if size < batch_size:
            raise ValueError(f"{size} training samples do not fill one batch of {batch_size}; choose a "
                             "smaller batch_size or more samples.")


def kernels(model, given):
    """Refuse penalties and norms in the grid if there are no kernels, or if the kernels have penalties of their own.

    `given` lists those of l1, l2 and max_norm that the grid has.
    """
    kernels = [(layer, variable) for layer in all_layers(model)
               for variable in layer.trainable_variables if variable.name == "kernel"]
    if not kernels:
        raise ValueError(f"grid['{given[0]}'] acts on the kernels of a model, but this one has none.")
    for layer, variable in kernels:
        if getattr(variable, "regularizer", None) is not None and given != ["max_norm"]:
            raise ValueError(f"grid['{given[0]}'] is the penalty of all kernels, but the layer {layer.name!r} has a "
                             "kernel_regularizer of its own; leave out one of them.")


def augmentation(used, sample):
    """Refuse to augment samples that are not images, and a share of changed images without any change."""
    given = [knob for knob in AUGMENTATION if knob in used]
    if given == ["augment_probability"]:
        raise ValueError("grid['augment_probability'] says how many of the images are changed, but nothing changes "
                         "them; give an augmentation such as shift=1 too.")
    if given:
        try:
            image_shape(sample)
        except ValueError:
            raise ValueError(f"grid['{given[0]}'] changes images, but a sample has shape {tuple(sample)}; expected "
                             "(height, width), (height, width, channels) or a square as a vector.") from None


def probabilities(model, scores, x):
    """Refuse a model whose outputs are not the probabilities that its loss expects; `x` are real samples."""
    if not scores.classifying or scores.logits:
        return
    outputs = np.asarray(model(x.astype(model.inputs[0].dtype), training=False))
    outputs = outputs[np.isfinite(outputs).all(-1)]
    several = scores.name != "binary_crossentropy"
    if outputs.min(initial=0) < 0 or outputs.max(initial=0) > 1 + 1e-3 or (
            several and not np.allclose(outputs.sum(-1), 1, atol=1e-3)):
        raise ValueError("The outputs of the model are no probabilities" + (
            ": they do not add up to 1 for each sample; give its last layer activation='softmax'" if several else
            "; give its last layer activation='sigmoid'") + ", or tell the loss from_logits=True.")


def randomness(model, build_model, knob, level):
    """Refuse a dropout rate or a noise in the grid that would not be that of all random layers of its kind.

    `knob` is ``"dropout"`` or ``"gaussian_noise"``; `level` is the one that `build_model` was given, or None if it
    takes none.
    """
    from course_utils.training import layers

    name = getattr(build_model, "__name__", "build_model")
    kinds = {"dropout": "Dropout, SpatialDropout and GaussianDropout layers", "gaussian_noise": "GaussianNoise layers"}
    random = [layer for layer in all_layers(model)
              if isinstance(getattr(layer, "stddev" if knob == "gaussian_noise" else "rate", None), int | float)]
    if not random:
        raise ValueError(f"grid['{knob}'] acts on all {kinds[knob]}, but the model of {name} has none.")
    reached = {id(layer) for layer in layers.random(model)}
    for layer in random:
        if id(layer) not in reached:
            raise ValueError(f"grid['{knob}'] cannot reach the layer {layer.name!r} ({type(layer).__name__}): it acts "
                             f"on {kinds[knob]}, and not on layers of your own.")
    levels = {layers.level(layer) for layer in random}
    if level is not None and levels != {level}:
        raise ValueError(f"grid['{knob}'] is the same for all its layers, but {name} makes {sorted(levels)} of "
                         f"{knob}={level}; rename its argument, and it will be compiled for each value.")


def model(model, input_shape):
    """Refuse a model that does not fit the samples, or that has no shapes to compare."""
    if not getattr(model, "inputs", None):
        raise TypeError(f"build_model returns a {type(model).__name__} of unknown shape; expected a keras.Sequential "
                        "that begins with keras.Input, or a functional keras.Model.")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"The model has {len(model.inputs)} inputs and {len(model.outputs)} outputs; fit_many trains "
                         "models with one of each: join the inputs into one array, or train it with model.fit.")
    if getattr(model.outputs[0], "_keras_mask", None) is not None:
        raise ValueError("The outputs of the model are masked, so Keras leaves some of them out of the loss, and "
                         "fit_many does not; train it with model.fit, or without mask_zero=True and Masking.")
    if tuple(model.input_shape[1:]) != tuple(input_shape):
        raise ValueError(f"The model takes samples of shape {tuple(model.input_shape[1:])}, but the data have "
                         f"shape {tuple(input_shape)}; pass input_shape={tuple(input_shape)} to its Input.")
