"""Batch normalization in NumPy: what the layer computes in training, at inference, and backward.

The reference of the course: equal to `keras.layers.BatchNormalization` and to the operator
BatchNormalization of ONNX. `axis` is Keras's: the axis of the features, each of which has its own
mean, variance, γ, and β; all other axes are averaged over. Results keep the dtype of `x`; everything
in between is float64, so that a float32 feature with a large mean keeps its digits.
"""

import numpy as np

from course_utils import moved

__getattr__ = moved.old_names(__name__)


def statistics(x, *, axis=-1):
    """Mean and variance of each feature over a batch.

    Parameters
    ----------
    x : float array, two or more dimensions
        For instance (N, D) with ``axis=-1``, or images (N, height, width, C).
    axis : int
        The axis of the features, D long.

    Returns
    -------
    mean, variance : arrays (D,)
        The variance divides by the number of values, not by one less.

    Raises
    ------
    ValueError
        `x` is not a batch of floats, or has no such axis.

    Source: Ioffe & Szegedy (2015), Batch normalization, algorithm 1.
    """
    wide, axis, _ = _checked(x, axis, {})
    mean, variance = _moments(wide, axis)
    return _as(x, mean.ravel()), _as(x, variance.ravel())


def forward(x, gamma, beta, *, axis=-1, epsilon=1e-3):
    """The layer's output in training: normalized with the statistics of this batch.

    Parameters
    ----------
    x : float array, two or more dimensions
    gamma, beta : arrays (D,)
        Scale and shift of each feature.
    axis : int
        As in `statistics`.
    epsilon : float, at least 0
        Added to the variance, under the root.

    Returns
    -------
    array, shape and dtype of `x`

    Raises
    ------
    ValueError
        As in `statistics`; `gamma` or `beta` is not (D,), or `epsilon` is negative.

    Source: Ioffe & Szegedy (2015), Batch normalization, algorithm 1; Keras's default for `epsilon`.
    """
    wide, axis, (gamma, beta) = _checked(x, axis, {"gamma": gamma, "beta": beta}, epsilon)
    mean, variance = _moments(wide, axis)
    return _as(x, gamma * _normalized(wide, mean, variance, epsilon) + beta)


def update_running(moving_mean, moving_variance, x, *, momentum=0.99, axis=-1):
    """The running statistics after one more training batch, by Keras's convention.

    Parameters
    ----------
    moving_mean, moving_variance : arrays (D,)
        They start at 0 and 1 in Keras.
    x : float array, two or more dimensions
    momentum : float in [0, 1]
        The share of the *old* value that is kept, as in Keras and ONNX. (In PyTorch, momentum is
        the share of the new value, and the variance divides by one less.)
    axis : int
        As in `statistics`.

    Returns
    -------
    moving_mean, moving_variance : new arrays (D,), dtype of `x`

    Raises
    ------
    ValueError
        As in `statistics`; a wrong shape, or a momentum outside [0, 1].

    Source: `keras.layers.BatchNormalization`.
    """
    wide, axis, old = _checked(x, axis, {"moving_mean": moving_mean, "moving_variance": moving_variance})
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}; expected a share from 0 to 1, such as 0.99.")
    new = _moments(wide, axis)
    return tuple(_as(x, (momentum * before + (1 - momentum) * now).ravel())
                 for before, now in zip(old, new, strict=True))


def inference(x, gamma, beta, moving_mean, moving_variance, *, axis=-1, epsilon=1e-3):
    """The layer's output at inference: normalized with the running statistics.

    The output of a sample does not depend on the rest of its batch.

    Parameters
    ----------
    x : float array, two or more dimensions
    gamma, beta, moving_mean, moving_variance : arrays (D,)
    axis, epsilon
        As in `forward`.

    Returns
    -------
    array, shape and dtype of `x`

    Raises
    ------
    ValueError
        As in `forward`.

    Source: Ioffe & Szegedy (2015), Batch normalization, algorithm 2, with Keras's running averages.
    """
    features = {"gamma": gamma, "beta": beta, "moving_mean": moving_mean, "moving_variance": moving_variance}
    wide, axis, (gamma, beta, mean, variance) = _checked(x, axis, features, epsilon)
    return _as(x, gamma * _normalized(wide, mean, variance, epsilon) + beta)


def backward(dout, x, gamma, *, axis=-1, epsilon=1e-3):
    """Gradients of a loss with respect to the input, γ, and β, in training.

    Parameters
    ----------
    dout : array, shape of `x`
        Gradient of the loss with respect to the layer's output.
    x : float array, two or more dimensions
        The input of `forward`.
    gamma : array (D,)
    axis, epsilon
        As in `forward`.

    Returns
    -------
    dx : array, shape of `x`
    dgamma, dbeta : arrays (D,)
        All with the dtype of `x`.

    Raises
    ------
    ValueError
        As in `forward`; `dout` has another shape than `x`.

    Source: Ioffe & Szegedy (2015), Batch normalization, section 3, with the three paths of a value
    (directly, through the mean, through the variance) collected.
    """
    wide, axis, (gamma,) = _checked(x, axis, {"gamma": gamma}, epsilon)
    dout = np.asarray(dout, "float64")
    if dout.shape != wide.shape:
        raise ValueError(f"dout has shape {dout.shape}; expected that of x, {wide.shape}.")
    others = _others(wide, axis)
    mean, variance = _moments(wide, axis)
    normalized = _normalized(wide, mean, variance, epsilon)
    dbeta = dout.sum(others, keepdims=True)
    dgamma = (dout * normalized).sum(others, keepdims=True)
    count = wide.size // wide.shape[axis]
    dx = gamma / np.sqrt(variance + epsilon) * (dout - dbeta / count - normalized * dgamma / count)
    return _as(x, dx), _as(x, dgamma.ravel()), _as(x, dbeta.ravel())


def _others(x, axis):
    """The axes that are averaged over."""
    return tuple(other for other in range(x.ndim) if other != axis)


def _moments(x, axis):
    """Mean and variance of each feature, shaped to broadcast against `x`."""
    others = _others(x, axis)
    mean = x.mean(others, keepdims=True)
    return mean, ((x - mean)**2).mean(others, keepdims=True)


def _normalized(x, mean, variance, epsilon):
    return (x - mean) / np.sqrt(variance + epsilon)


def _as(x, values):
    return values.astype(np.asarray(x).dtype)


def _checked(x, axis, features, epsilon=0.0):
    """`x` in float64, its axis counted from the front, and the arrays of `features` in a shape that broadcasts."""
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f'x has the dtype {x.dtype}; expected floats, for instance x.astype("float32").')
    if x.ndim < 2 or not x.size:
        raise ValueError(f"x has shape {x.shape}; expected samples and features, at least one of each.")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis is {axis}; expected an axis of x, shape {x.shape}, from {-x.ndim} to {x.ndim - 1}.")
    if not epsilon >= 0:
        raise ValueError(f"epsilon is {epsilon}; expected a small number that is not negative, such as 0.001.")
    shaped = []
    for name, values in features.items():
        values = np.asarray(values, "float64")
        if values.shape != (x.shape[axis],):
            raise ValueError(f"{name} has shape {values.shape}; expected ({x.shape[axis]},), one number for each "
                             f"feature along axis {axis} of x, shape {x.shape}.")
        shaped.append(np.expand_dims(values, _others(x, axis % x.ndim)))
    return x.astype("float64"), axis % x.ndim, shaped
