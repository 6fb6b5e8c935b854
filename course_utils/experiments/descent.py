"""Gradient descent on the loss of a linear model, where all of it can be computed exactly.

The loss of weights w is the mean of (x·w − y)²/2 over the samples. Around its lowest point it is
a quadratic bowl whose curvatures are the eigenvalues of xᵀx/n, and along each eigenvector a step
multiplies the distance from that point by 1 − rate · curvature.

Source: LeCun, Bottou, Orr & Müller (1998), Efficient BackProp, section 5.
"""

import bisect

import numpy as np


def curvatures(x):
    """Eigenvalues of xᵀx/n, the smallest first.

    Parameters
    ----------
    x : array (samples, features)

    Returns
    -------
    array (features,)
    """
    return np.linalg.eigvalsh(x.T @ x / len(x))


def condition_number(x):
    """The largest curvature over the smallest: 1 for a round bowl, large for a ravine."""
    found = curvatures(x)
    return float(found[-1] / found[0])


def balanced_rate(x):
    """The learning rate at which steepest and flattest direction shrink alike: 2 / (largest + smallest curvature)."""
    found = curvatures(x)
    return float(2 / (found[-1] + found[0]))


def best_weights(x, y):
    """The weights with the lowest loss, (features,)."""
    return np.linalg.lstsq(x, y)[0]


def excess_loss(x, y):
    """A function from weights (..., features) to their loss minus the lowest one."""
    best, bowl = best_weights(x, y), x.T @ x / len(x)

    def excess(weights):
        away = np.asarray(weights) - best
        return np.sum(away @ bowl * away, axis=-1) / 2

    return excess


def descend(x, y, *, learning_rate, steps):
    """Weights along gradient descent from zero.

    Parameters
    ----------
    x : array (samples, features)
    y : array (samples,)
    learning_rate : float
    steps : int

    Returns
    -------
    array (steps + 1, features)
        Infinite or huge where the rate is too large.
    """
    found, directions = np.linalg.eigh(x.T @ x / len(x))
    best = best_weights(x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        shrunk = (1 - learning_rate * found) ** np.arange(steps + 1)[:, None]
        return best - shrunk * (directions.T @ best) @ directions.T


def steps_needed(x, y, *, learning_rate=None, share=0.01, most=10**12):
    """Steps of gradient descent from zero until the excess loss is a share of what it was.

    Parameters
    ----------
    x : array (samples, features)
    y : array (samples,)
    learning_rate : float, optional
        `balanced_rate` otherwise.
    share : float in (0, 1)
    most : int
        Longer descents are not followed.

    Returns
    -------
    int, or None
        None for a descent that diverges or takes more than `most` steps. Computed, not walked:
        the loss after any number of steps has a formula.
    """
    found, directions = np.linalg.eigh(x.T @ x / len(x))
    learning_rate = balanced_rate(x) if learning_rate is None else learning_rate
    if learning_rate * found[-1] >= 2:
        return None
    parts = found * (directions.T @ best_weights(x, y)) ** 2
    with np.errstate(divide="ignore"):
        slowness = 2 * np.log(np.abs(1 - learning_rate * found))

    def arrived(step):
        with np.errstate(invalid="ignore"):
            shrunk = np.where(parts > 0, np.exp(step * slowness), 0) if step else 1
        return bool(np.sum(parts * shrunk) <= share * np.sum(parts))

    return bisect.bisect_left(range(most), True, key=arrived) if arrived(most) else None
