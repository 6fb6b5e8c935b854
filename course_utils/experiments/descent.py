"""Gradient descent on the loss of a linear model, where everything can be computed exactly.

The loss of the weights w (features,) is the mean of (x·w − y)²/2 over the samples x (samples, features)
and y (samples,). Around its lowest point it is a quadratic bowl whose curvatures are the eigenvalues of
xᵀx/n, and along each eigenvector a step multiplies the distance from that point by 1 − rate · curvature.

Source: LeCun, Bottou, Orr & Müller (1998), Efficient BackProp, section 5.
"""

import bisect

import numpy as np
from sklearn.decomposition import PCA


def cloud(stretch, angle, samples=200):
    """Two features x (samples, 2) with mean 0, stretched along the first and then turned by an angle in degrees.

    The standard deviations before the turn are `stretch` and 1. The targets y (samples,) are the sum of the features
    before both, so they are the same for every stretch and angle.
    """
    white = PCA(whiten=True).fit_transform(np.random.default_rng(0).normal(size=(samples, 2)))
    white /= white.std(0)
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    return white * [stretch, 1] @ np.array([[cosine, sine], [-sine, cosine]]), white.sum(1)


def curvatures(x):
    """Eigenvalues of xᵀx/n, (features,), the smallest first."""
    return np.linalg.eigvalsh(x.T @ x / len(x))


def condition_number(x):
    """The largest curvature over the smallest: 1 for a round bowl, large for a ravine."""
    smallest, largest = curvatures(x)[[0, -1]]
    return float(largest / smallest)


def balanced_rate(x):
    """The learning rate that is as fast in the steepest direction as in the flattest: 2 / (largest + smallest)."""
    smallest, largest = curvatures(x)[[0, -1]]
    return float(2 / (largest + smallest))


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
    """Weights along gradient descent from zero, (steps + 1, features); infinite or huge if the rate is too large."""
    curvature, directions = np.linalg.eigh(x.T @ x / len(x))
    best = best_weights(x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        shrunk = (1 - learning_rate * curvature) ** np.arange(steps + 1)[:, None]
        return best - shrunk * (directions.T @ best) @ directions.T


def steps_needed(x, y, *, learning_rate=None, share=0.01, most=10**12):
    """Steps of gradient descent from zero until the excess loss is a share of what it was.

    The learning rate is `balanced_rate` by default. The result is an int, or None if the descent
    diverges or takes more than `most` steps. It comes from a formula for the loss after any number of steps.
    """
    curvature, directions = np.linalg.eigh(x.T @ x / len(x))
    learning_rate = balanced_rate(x) if learning_rate is None else learning_rate
    if learning_rate * curvature[-1] >= 2:
        return None
    parts = curvature * (directions.T @ best_weights(x, y)) ** 2
    with np.errstate(divide="ignore"):
        slowness = 2 * np.log(np.abs(1 - learning_rate * curvature))

    def arrived(step):
        with np.errstate(invalid="ignore"):
            shrunk = np.where(parts > 0, np.exp(step * slowness), 0) if step else 1
        return bool(np.sum(parts * shrunk) <= share * np.sum(parts))

    return bisect.bisect_left(range(most), True, key=arrived) if arrived(most) else None
