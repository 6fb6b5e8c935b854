"""The features that a trained network computes from images, remembered so that each image is computed only once."""

import functools
import hashlib
import io
import os
import warnings
from pathlib import Path

import numpy as np

from course_utils.files import read_arrays, write_atomically
from course_utils.pretrained import network

SHIPPED = Path(__file__).with_name("emoji_features.npz")
FEATURES = 1280
SIZE = 224   # pixels a side, as in the training of the network


def features(images, *, size=SIZE):
    """The 1,280 features of each image: what EfficientNet-Lite0 knows about it before it decides on a class.

    A linear model on these features is a strong baseline for small sets of images. For the emoji of
    ``datasets.emoji(size=64)``, the features ship with the course, rounded to float16. All others are computed once and
    kept in a cache on this machine: in the folder named by the environment variable COURSE_CACHE, by default
    ``.cache/course`` in your home folder.

    Parameters
    ----------
    images : array (samples, height, width, 3)
        Either uint8, from 0 to 255, or floats from 0 to 1.
    size : int, at least 32
        The images are resized to this many pixels a side (bilinear) before the network sees them. The features of
        enlarged images are better, but take longer: with the default, about five times as long as with 96. Images that
        aren't square are distorted; crop them first.

    Returns
    -------
    float32 array (samples, 1280) in [0, 6]

    Raises
    ------
    ValueError
        The images don't have this shape or this range, or a file of this package is missing
        or damaged.

    Warns
    -----
    UserWarning
        The cache folder can't be written; the features are returned all the same.
    """
    images = _checked(images, size)
    keys = [_key(image, size) for image in images]
    shipped = _shipped()
    if all(key in shipped for key in keys):
        return np.array([shipped[key] for key in keys], "float32").reshape(-1, FEATURES)
    path = folder() / f"features-{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}.npz"
    known = _read(path, (len(images), FEATURES))
    if known is None:
        known = compute(images, size=size)
        _keep(path, known)
    return known


def compute(images, *, size=SIZE, batch_size=64):
    """What `features` returns, always computed: for float images (samples, height, width, 3) in [0, 1]."""
    model = _extractor(size)
    return np.concatenate([model.predict_on_batch(_resized(images[start:start + batch_size], size))
                           for start in range(0, len(images), batch_size)])


def folder():
    """The folder of the cache: a Path. It may not exist yet."""
    return Path(os.environ.get("COURSE_CACHE") or Path.home() / ".cache" / "course")


def table(images, *, size=SIZE):
    """The content of a file of features that `features` looks up: dict of arrays "keys" and "features"."""
    keys = b"".join(_key(image, size) for image in images)
    return {"keys": np.frombuffer(keys, np.uint8).reshape(len(images), -1),
            "features": compute(images, size=size).astype("float16")}


def _checked(images, size):
    """Float32 images in [0, 1]."""
    if not (isinstance(size, int | np.integer) and size >= network.SMALLEST):
        raise ValueError(f"size is {size!r}; expected a whole number of pixels from {network.SMALLEST} up.")
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:]:
        raise ValueError(f"images has shape {images.shape}; expected (samples, height, width, 3): write images[None] "
                         "for a single image, and repeat the channel of gray ones three times.")
    if images.dtype == np.uint8:
        return images.astype("float32") / 255
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images are {images.dtype}; expected uint8 from 0 to 255, or floats from 0 to 1.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):   # NaN, too
        raise ValueError(f"images are floats from {images.min():g} to {images.max():g}; expected 0 to 1: divide bytes "
                         "by 255.")
    return images.astype("float32")


def _key(image, size):
    """16 bytes that tell this image, at this size, under these weights, from all others."""
    about = f"{network.version()} {image.shape} {size} ".encode()
    return hashlib.blake2b(about + image.astype("<f4").tobytes(), digest_size=16).digest()


@functools.cache
def _shipped():
    """The features of the emoji: dict key → float16 array (1280,)."""
    arrays = read_arrays(SHIPPED)
    return {key.tobytes(): row for key, row in zip(arrays["keys"], arrays["features"], strict=True)}


@functools.lru_cache(maxsize=2)
def _extractor(size):
    return network.efficientnet_lite0((size, size, 3), include_top=False)


def _resized(images, size):
    """Bilinear; images of this size stay as they are."""
    import keras

    return keras.ops.image.resize(images, (size, size), antialias=True)


def _read(path, shape):
    """An array out of the cache; None if it isn't there, or not whole."""
    try:
        found = read_arrays(path)["features"]
    except (ValueError, KeyError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _keep(path, found):
    """Put an array into the cache, or say that this isn't possible."""
    file = io.BytesIO()
    np.savez(file, features=found)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, file.getvalue())
    except OSError as error:
        warnings.warn(f"The features can't be kept in {path.parent} ({error.strerror or error}), so they will be "
                      "computed again: set COURSE_CACHE to a folder that you can write to.", stacklevel=3)
