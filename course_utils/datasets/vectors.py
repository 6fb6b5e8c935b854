"""Data of the course that are rows of numbers: digits as vectors, tones, points in the plane."""

import numpy as np

from course_utils.datasets.split import stratified


def digits(seed=0):
    """Handwritten digits: 1797 gray images of 8×8 pixels, flattened, in [0, 1]; ten classes.

    A new `seed` is a new split: 1077 training, 360 validation and 360 test images.

    Source: `sklearn.datasets.load_digits` (Alpaydin & Kaynak 1998, UCI repository).
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return stratified(f"digits(seed={seed})", (x / 16).astype("float32"), y.astype("int32"), seed)


def tones(seed=0, *, samples=1800, noise=0.8):
    """Which of ten tones is it? 64 readings of a sine of random phase, in noise; ten classes.

    The second task of most claims. The phase is random, so the mean of every class is zero, and no
    linear model can tell two classes apart.

    Parameters
    ----------
    seed : int
        Draws the samples and the split.
    samples : int
        Divided as in `digits`.
    noise : float
        Standard deviation of the noise; the sine has amplitude 1.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 10
    time = np.arange(64) / 64
    phase = rng.uniform(0, 2 * np.pi, (samples, 1))
    x = np.sin(2 * np.pi * (y[:, None] + 1) * time + phase) + rng.normal(0, noise, (samples, 64))
    return stratified(f"tones(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def moons(seed=0, *, samples=600, noise=0.2):
    """Two interleaved half circles of radius 1 in the plane; two classes; arguments as in `tones`.

    Source: `sklearn.datasets.make_moons`.
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(samples, noise=noise, random_state=seed)
    return stratified(f"moons(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def spirals(seed=0, *, samples=600, noise=0.05, turns=1.5):
    """Two interleaved spiral arms in the plane; two classes that are harder to separate than the moons.

    Each arm has half of the samples, ends at radius 1, and goes around the center `turns` times. The
    other arguments are those of `tones`.

    Source: Lang & Witbrock (1988), Learning to tell two spirals apart; theirs go around three times.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    along = np.sqrt(rng.uniform(0.01, 1, samples))   # more samples where an arm is longer
    angle = 2 * np.pi * turns * along + np.pi * y
    x = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(0, noise, (samples, 2))
    return stratified(f"spirals(seed={seed})", x.astype("float32"), y.astype("int32"), seed)
