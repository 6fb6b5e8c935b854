"""Deep networks side by side in NumPy: the loss and every gradient of ten networks in one pass.

`fit_many` trains; this module looks inside the networks: how large gradients are layer by layer, what
the loss does along a gradient, and how the inputs of a layer move. The networks are those of
`models.mlp`, with and without batch norm before each activation. In all functions, `data` is a Split of
vectors, and `seeds` is a sequence of int, with one network for each seed.
"""

import itertools

import numpy as np
import xarray as xr
from scipy.special import log_softmax

from course_utils import batch_norm
from course_utils.training.batches import indices

ACTIVATIONS = {   # the function, and its slope as a function of its output
    "relu": (lambda z: np.maximum(z, 0), lambda a: a > 0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-np.clip(z, -500, 500))), lambda a: a * (1 - a))}


def start(data, seeds, *, depth=3, width=64, initial_scale=1.0, batch_norm=False):
    """Initial weights: He's for the hidden layers, whose kernels are multiplied by `initial_scale`; zero biases.

    Returns
    -------
    dict of lists of arrays, one for each layer
        ``kernel`` (seeds, inputs, units) and ``shift`` (seeds, 1, units; a bias, or the β of batch
        norm), also of the softmax layer; ``gamma`` (seeds, 1, units), of the hidden layers, empty
        unless `batch_norm`.
    """
    sizes = [data.x_train.shape[1], *[width] * depth, data.classes]
    stretch = [initial_scale * 2**0.5] * depth + [1.0]
    drawn = [[np.random.default_rng([seed, layer]).normal(0, spread / before**0.5, (before, after))
              for layer, (before, after, spread) in enumerate(zip(sizes[:-1], sizes[1:], stretch, strict=True))]
             for seed in seeds]
    return {"kernel": [np.stack(same) for same in zip(*drawn, strict=True)],
            "shift": [np.zeros((len(drawn), 1, size)) for size in sizes[1:]],
            "gamma": [np.ones((len(drawn), 1, width))] * depth * batch_norm}


def gradients(weights, x, y, *, activation="relu", moved=None):
    """Loss of each network on its batch, the gradients, and the inputs of the activations.

    Parameters
    ----------
    weights : dict of lists of arrays, see `start`
    x : array (seeds, samples, features)
    y : int array (seeds, samples)
    activation : {"relu", "sigmoid"}
    moved : list of (scale, shift), optional
        For each hidden layer, arrays that broadcast with (seeds, samples, units): multiplied and
        added before the activation.

    Returns
    -------
    loss : array (seeds,), mean cross-entropy
    slopes : dict of lists of arrays, as `weights`
    inputs : list of arrays (seeds, samples, units), of each activation
    """
    act, slope_of = ACTIVATIONS[activation]
    kernels, shifts, gammas = weights["kernel"], weights["shift"], weights["gamma"]
    depth = len(kernels) - 1
    moved = moved or [(1.0, 0.0)] * depth
    a, z, inputs = [x], [], []
    for layer in range(depth):
        z.append(a[-1] @ kernels[layer])
        out = _normalize(z[-1], gammas[layer], shifts[layer]) if gammas else z[-1] + shifts[layer]
        inputs.append(out * moved[layer][0] + moved[layer][1])
        a.append(act(inputs[-1]))
    log_probability = log_softmax(a[-1] @ kernels[-1] + shifts[-1], axis=-1)
    target = np.eye(log_probability.shape[-1])[y]
    loss = -(target * log_probability).sum(-1).mean(-1)

    down = (np.exp(log_probability) - target) / x.shape[1]
    slopes = {name: [None] * len(arrays) for name, arrays in weights.items()}
    for layer in reversed(range(depth + 1)):
        if layer < depth:
            down = down * slope_of(a[layer + 1]) * moved[layer][0]
        slopes["shift"][layer] = down.sum(1, keepdims=True)
        if layer < depth and gammas:
            down, slopes["gamma"][layer] = _through(down, z[layer], gammas[layer])
        slopes["kernel"][layer] = a[layer].transpose(0, 2, 1) @ down
        down = down @ kernels[layer].transpose(0, 2, 1)
    return loss, slopes, inputs


def batches(data, seeds, batch_size=32):
    """Yield the batches of each seed, without end: x (seeds, batch_size, features), y (seeds, batch_size)."""
    streams = [indices(len(data.x_train), seed, batch_size=batch_size) for seed in seeds]
    for rows in zip(*streams, strict=True):
        yield data.x_train[np.stack(rows)].astype("float64"), data.y_train[np.stack(rows)]


def descend(weights, slopes, rate):
    """Weights after one step of gradient descent."""
    return {name: [weight - rate * slope for weight, slope in zip(weights[name], slopes[name], strict=True)]
            for name in weights}


def _looks(weights, data, seeds, steps, learning_rate, *, batch_size=32, **network):
    """Train, and yield the weights, the batch, its losses, and its gradients at each of the steps."""
    for step, batch in enumerate(itertools.islice(batches(data, seeds, batch_size), max(steps) + 1)):
        loss, slopes, _ = gradients(weights, *batch, **network)
        if step in steps:
            yield weights, batch, loss, slopes
        weights = descend(weights, slopes, learning_rate)


def gradient_norms(data, seeds, *, steps=(0,), learning_rate=0.1, activation="relu", **network):
    """Norm of the gradient of each hidden kernel after these numbers of training steps (ascending).

    Parameters
    ----------
    activation, **network
        Of `gradients` and `start`.

    Returns
    -------
    xarray.DataArray, dims (step, layer, seed); layers count from 1. Infinite or NaN once a network
    has diverged.
    """
    weights = start(data, seeds, **network)
    with np.errstate(all="ignore"):
        norms = np.array([[np.sqrt((kernel**2).sum((1, 2))) for kernel in slopes["kernel"][:-1]] for *_, slopes in
                          _looks(weights, data, seeds, steps, learning_rate, activation=activation)])
    return xr.DataArray(norms, {"step": list(steps), "layer": range(1, norms.shape[1] + 1), "seed": list(seeds)},
                        ("step", "layer", "seed"), "gradient norm")


def along_gradient(data, seeds, *, steps, learning_rate, reach, batch_size=32, **network):
    """Loss and gradient of a batch along a walk against that gradient.

    Parameters
    ----------
    steps : sequence of int, ascending
        The walks start after these numbers of training steps.
    reach : sequence of float
        How far to walk: the gradient is multiplied by each.
    batch_size, **network
        Of `batches` and `start`.

    Returns
    -------
    xarray.Dataset, dims (step, reach, seed)
        ``loss`` there, and ``turned``: the norm of the change of the gradient as a share of the
        gradient's. And, without ``reach``, ``here``: the loss at the start of the walk, and ``norm``.

    Source: Santurkar, Tsipras, Ilyas & Madry (2018), How does batch normalization help optimization?,
    section 3.2; there the gradient's change is not divided by its norm.
    """
    at_steps = []
    for weights, batch, here, slopes in _looks(start(data, seeds, **network), data, seeds, steps, learning_rate,
                                               batch_size=batch_size):
        norm = _norm(slopes)
        walks = [gradients(descend(weights, slopes, far), *batch)[:2] for far in reach]
        turned = [_norm(descend(there, slopes, 1)) / norm for _, there in walks]
        at_steps.append(([loss for loss, _ in walks], turned, here, norm))
    dims = [("step", "reach", "seed")] * 2 + [("step", "seed")] * 2
    return xr.Dataset({name: (dim, np.array(values)) for name, dim, values in
                       zip(("loss", "turned", "here", "norm"), dims, zip(*at_steps, strict=True), strict=True)},
                      {"step": list(steps), "reach": list(reach), "seed": list(seeds)})


def drift(data, seeds, *, steps, learning_rate, shift=0.0, stretch=1.0, jitter=0.0, batch_size=32, **network):
    """How far each training step moves the inputs of the activations for the same batch.

    Parameters
    ----------
    shift, stretch, jitter : float
        The inputs are also moved at random, as by `covariate_shift.MovingInputs`.
    batch_size, **network
        Of `batches` and `start`.

    Returns
    -------
    xarray.DataArray, dims (step, layer, seed)
        Change of a unit's mean over the batch, in its standard deviations (before the step), averaged
        over the units. Each standard deviation is increased by 1/1000 of their mean, so none is 0.
    """
    weights, moves = start(data, seeds, **network), []
    rngs = [np.random.default_rng([seed, 7]) for seed in seeds]
    units = [kernel.shape[-1] for kernel in weights["kernel"][:-1]]

    def draw():
        def uniform(*shape):
            return np.stack([rng.uniform(-1, 1, shape) for rng in rngs])

        return [(1 + (stretch - 1) * (1 + uniform(1, count)) / 2 + jitter * uniform(batch_size, count),
                 shift * uniform(1, count) + jitter * uniform(batch_size, count)) for count in units]

    now = draw()
    for x, y in itertools.islice(batches(data, seeds, batch_size), steps):
        _, slopes, before = gradients(weights, x, y, moved=now)
        weights, now = descend(weights, slopes, learning_rate), draw()
        after = gradients(weights, x, y, moved=now)[2]
        moves.append([_moved_by(*layer) for layer in zip(before, after, strict=True)])
    return xr.DataArray(np.array(moves), {"step": range(1, steps + 1), "layer": range(1, len(units) + 1),
                                          "seed": list(seeds)}, ("step", "layer", "seed"), "drift")


def _moved_by(before, after):
    """Change of the mean in standard deviations, averaged over the units: (seeds,)."""
    spread = before.std(1)
    return np.mean(np.abs(after.mean(1) - before.mean(1)) / (spread + 1e-3 * spread.mean(1, keepdims=True)), axis=1)


def _columns(values):
    """(seeds, samples, units) → (samples, seeds * units): each unit of each network a feature."""
    return values.transpose(1, 0, 2).reshape(values.shape[1], -1)


def _stacked(columns, seeds):
    return columns.reshape(len(columns), seeds, -1).transpose(1, 0, 2)


def _normalize(z, gamma, beta):
    return _stacked(batch_norm.forward(_columns(z), gamma.ravel(), beta.ravel()), len(z))


def _through(down, z, gamma):
    """Gradients with respect to the input of the normalization and to gamma."""
    dz, dgamma, _ = batch_norm.backward(_columns(down), _columns(z), gamma.ravel())
    return _stacked(dz, len(z)), dgamma.reshape(gamma.shape)


def _norm(stacks):
    """Euclidean norm over all weights of each network: (seeds,)."""
    return np.sqrt(sum((stack**2).sum((1, 2)) for stack in itertools.chain(*stacks.values())))
