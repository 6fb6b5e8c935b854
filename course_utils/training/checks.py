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
            if not isinstance(getattr(split, field, None), np.ndarray):
                raise TypeError(f"data has no array {field}; expected a Split such as datasets.digits(), "
                                "or a function of the seed that returns one.")
        for part in ("train", "val"):
            x, y = getattr(split, f"x_{part}"), getattr(split, f"y_{part}")
            if len(x) != len(y) or not len(x):
                raise ValueError(f"x_{part} holds {len(x)} samples and y_{part} {len(y)} labels; expected "
                                 "the same number, and at least one.")
            if not np.isfinite(x).all():
                raise ValueError(f"x_{part} holds values that are not finite; remove or fill them first.")
            if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
                raise ValueError(f"y_{part} is not a vector of class numbers 0, 1, 2 …; expected integers "
                                 f"of shape ({len(x)},), not {y.dtype} of shape {y.shape}.")
        if split.x_train.shape[1:] != split.x_val.shape[1:]:
            raise ValueError(f"One training sample has shape {split.x_train.shape[1:]} and one validation "
                             f"sample {split.x_val.shape[1:]}; expected the same.")
        if split.y_val.max() >= split.classes:
            raise ValueError(f"y_val holds class {split.y_val.max()}, but y_train only classes 0 to "
                             f"{split.classes - 1}; expected the same classes in both.")
        if (split.x_train.shape, split.x_val.shape) != (first.x_train.shape, first.x_val.shape):
            raise ValueError("data gives splits of different sizes for different seeds; expected the same "
                             "number of training and of validation samples for all.")
    return given


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


def constraints(model):
    """Refuse constraints, which change the weights after the optimizer's update."""
    for layer in all_layers(model):
        for variable in layer.trainable_variables:
            if getattr(variable, "constraint", None) is not None:
                raise NotImplementedError(
                    f"fit_many cannot train with {variable.name}_constraint (layer {layer.name!r}); leave it out and "
                    "give max_norm in the grid, or train this model with model.fit.")


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


def probabilities(model):
    """Refuse a model whose outputs are not the probabilities of classes."""
    outputs = np.asarray(model(np.zeros((2, *model.input_shape[1:]), "float32"), training=False))
    if not np.allclose(outputs.sum(-1), 1, atol=1e-3) or outputs.min() < 0:
        raise ValueError("The outputs of the model are no probabilities: they do not add up to 1 for each sample; give "
                         "its last layer activation='softmax'.")


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
    reached = {id(layer) for layer in layers.reached(model)}
    for layer in random:
        if id(layer) not in reached:
            raise ValueError(f"grid['{knob}'] cannot reach the layer {layer.name!r} ({type(layer).__name__}): it acts "
                             f"on {kinds[knob]} that are not inside a layer of your own.")
    levels = {layers.level(layer) for layer in random}
    if level is not None and levels != {level}:
        raise ValueError(f"grid['{knob}'] is the same for all its layers, but {name} makes {sorted(levels)} of "
                         f"{knob}={level}; rename its argument, and it will be compiled for each value.")


def shapes(model, input_shape, classes):
    """Refuse a model that does not fit the data, or that has no shapes to compare."""
    if not getattr(model, "inputs", None):
        raise TypeError(f"build_model returns a {type(model).__name__} of unknown shape; expected a keras.Sequential "
                        "that begins with keras.Input, or a functional keras.Model.")
    if tuple(model.input_shape[1:]) != tuple(input_shape):
        raise ValueError(f"The model takes samples of shape {tuple(model.input_shape[1:])}, but the data have "
                         f"shape {tuple(input_shape)}; pass input_shape={tuple(input_shape)} to its Input.")
    if tuple(model.output_shape[1:]) != (classes,):
        raise ValueError(f"The model returns {tuple(model.output_shape[1:])} numbers per sample, but the data "
                         f"have {classes} classes; give its last layer {classes} units.")
