"""Trained networks, and the domains they are fine-tuned in: for lecture 08, its claims, and its lab."""

import functools

import numpy as np

from course_utils import datasets, models
from course_utils.training import initial_weights
from course_utils.training.fine_tune import each, fine_tune, stack

HALF = 512   # images to train on first, and other images to fine-tune on


def initial(seeds, **arguments):
    """Multilayer perceptrons with the initial weights of some seeds: a model, and their weights, stacked."""
    structure = (("momentum", 0.9), *arguments.items())
    model = initial_weights.build(models.mlp, structure, 0, "float32")

    def drawn(seed):
        trained, others = map(iter, initial_weights.weights(models.mlp, structure, seed, "float32"))
        return [next(trained if variable.trainable else others) for variable in model.weights]

    return model, [np.stack(values) for values in zip(*map(drawn, seeds), strict=True)]


def shifted(data, *, contrast=1.0, noise=0.0, seed=0):
    """A Split with the same samples from another domain.

    `contrast` multiplies the distance from one half; `noise` is the standard deviation of Gaussian noise.
    """
    rng = np.random.default_rng(seed)
    x_train, x_val = ((0.5 + contrast * (x - 0.5) + noise * rng.normal(size=x.shape)).astype("float32")
                      for x in (data.x_train, data.x_val))
    return data.replace(x_train=x_train, x_val=x_val)


def halves(data):
    """Two splits of the same validation data: images to train on first, and others to fine-tune on."""
    return [data.replace(x_train=data.x_train[part], y_train=data.y_train[part])
            for part in (slice(HALF), slice(HALF, 2 * HALF))]


@functools.lru_cache(maxsize=8)
def domain(contrast, noise):
    """Digits that no network of `trained_on_half` was trained on, seen by another camera: a Split."""
    return shifted(halves(datasets.digits())[1], contrast=contrast, noise=noise)


@functools.lru_cache(maxsize=8)
def with_norms(model, **changes):
    """A copy of a model, with weights of its own, whose batch normalizations have other arguments."""
    import keras

    def copy(layer):
        own = changes if isinstance(layer, keras.layers.BatchNormalization) else {}
        return type(layer).from_config(layer.get_config() | own)

    with initial_weights.seeded(0):   # leaves the global random state as it is
        return keras.models.clone_model(model, clone_function=copy)


@functools.lru_cache(maxsize=4)
def trained_on_half(task, seeds):
    """Normalized networks trained on the first half of the images: a model, and the networks' weights, stacked."""
    model, weights = initial(seeds, depth=2, batch_norm=True)
    old, _ = halves(task(0))
    return model, fine_tune(model, weights, old, learning_rate=0.1, steps=320, seeds=seeds)[1]


def re_estimated(model, weights, x, images):
    """Stacked networks with the running statistics of some images x (samples, ...), different ones for each network.

    Source: Li et al. (2016), Revisiting batch normalization for practical domain adaptation.
    """
    def updated_networks():
        without_memory = with_norms(model, momentum=0.0)   # its averages are those of the last batch
        for seed, network in enumerate(each(without_memory, weights)):
            network(np.random.default_rng(seed).permutation(x)[:images], training=True)
            yield network

    return stack(updated_networks())
