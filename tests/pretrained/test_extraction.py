"""Features of images: the right ones, computed once, whatever happens to the cache."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from course_utils import datasets, pretrained
from course_utils.pretrained import extraction, network
from tests.helpers.sentences import is_one_sentence, refused

SHIPPED = extraction.SHIPPED


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty folder as cache, and none of the shipped features."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(extraction, "SHIPPED", tmp_path / "shipped.npz")
    np.savez(extraction.SHIPPED, keys=np.zeros((0, 16), np.uint8), features=np.zeros((0, 1280), np.float16))
    extraction._shipped.cache_clear()
    yield tmp_path / "cache"
    extraction._shipped.cache_clear()


@pytest.fixture
def computed(monkeypatch):
    """A list of what had to be computed; instead of a network, something that is done at once."""
    seen = []

    def compute(images, *, size):
        seen.append(len(images))
        return np.repeat(images.mean((1, 2, 3))[:, None], 1280, axis=1) + np.float32(size)

    monkeypatch.setattr(extraction, "compute", compute)
    return seen


def images(count=3, side=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def test_they_are_those_of_the_network():
    x = images(3, 20)
    enlarged = keras.ops.image.resize(x / np.float32(255), (40, 40))
    ours = pretrained.features(x, size=40)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, extraction._extractor(40)(enlarged), atol=1e-4)


def test_they_are_computed_once(computed):
    first = pretrained.features(images())
    np.testing.assert_array_equal(pretrained.features(images()), first)
    assert computed == [3]


def test_bytes_and_floats_are_the_same_images(computed):
    first = pretrained.features(images())
    for kind in (np.float32, np.float64):
        np.testing.assert_array_equal(pretrained.features(images().astype(kind) / kind(255)), first)
    assert computed == [3]


def test_whatever_they_depend_on_is_noticed(computed, monkeypatch):
    changed = images()
    changed[2, 4, 4, 2] ^= 1
    for ask in (lambda: pretrained.features(images()), lambda: pretrained.features(changed),
                lambda: pretrained.features(images()[::-1]), lambda: pretrained.features(images()[:2]),
                lambda: pretrained.features(images().reshape(3, 25, 1, 3)),
                lambda: pretrained.features(images(), size=33)):
        ask()
    monkeypatch.setattr(network, "version", lambda: "other weights")
    pretrained.features(images())
    assert computed == [3, 3, 3, 2, 3, 3, 3]


def test_no_images_have_no_features(computed):
    assert pretrained.features(images(0)).shape == (0, 1280)


def test_shipped_features_need_no_weights(computed, monkeypatch):
    np.savez(extraction.SHIPPED, **extraction.table(images(5) / np.float32(255)))
    extraction._shipped.cache_clear()
    computed.clear()
    chosen = images(5)[[4, 1, 1]]
    np.testing.assert_allclose(pretrained.features(chosen)[:, 0], chosen.mean((1, 2, 3)) / 255 + extraction.SIZE,
                               rtol=1e-3)
    assert computed == []
    pretrained.features(np.concatenate([chosen, images(1, seed=1)]))   # one is new
    assert computed == [4]


@pytest.mark.parametrize("artist", ["google", "twitter", "both"])
def test_the_features_of_all_emoji_ship(computed, monkeypatch, artist):
    monkeypatch.setattr(extraction, "SHIPPED", SHIPPED)
    extraction._shipped.cache_clear()
    split = datasets.emoji(seed=3, artist=artist, size=64, near_duplicates="random")
    for x in (split.x_train, split.x_val, split.test[0], datasets.emoji(artist=artist, size=64).x_val):
        assert pretrained.features(x).any(1).all()
    assert computed == []


def test_shipped_features_are_those_of_the_network(monkeypatch):
    monkeypatch.setattr(extraction, "SHIPPED", SHIPPED)
    extraction._shipped.cache_clear()
    x = datasets.emoji(artist="both", size=64).x_val[[0, -1]]
    np.testing.assert_allclose(pretrained.features(x), extraction.compute(x), atol=0.01)   # float16 has 11 bits


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"text",
                                    lambda content: content[:300] + b"?" + content[301:]])
def test_a_damaged_entry_is_computed_again(computed, cache, damage):
    first = pretrained.features(images())
    [entry] = cache.iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    np.testing.assert_array_equal(pretrained.features(images()), first)
    np.testing.assert_array_equal(pretrained.features(images()), first)
    assert computed == [3, 3]


def test_an_entry_of_another_shape_is_computed_again(computed, cache):
    first = pretrained.features(images())
    [entry] = cache.iterdir()
    np.savez(entry, features=np.zeros((2, 1280), np.float32))
    np.testing.assert_array_equal(pretrained.features(images()), first)


def test_a_folder_that_cannot_be_written_stops_nobody(computed, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="COURSE_CACHE") as caught:
        assert pretrained.features(images()).shape == (3, 1280)
    assert is_one_sentence(str(caught[0].message))
    assert caught[0].filename == __file__


def test_a_full_disk_stops_nobody_and_leaves_nothing_behind(computed, cache, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert pretrained.features(images()).shape == (3, 1280)
    assert list(cache.iterdir()) == []


KERNEL = """
import sys
import numpy as np
from course_utils import pretrained
from course_utils.pretrained import extraction

expected = np.arange(3 * 1280, dtype=np.float32).reshape(3, 1280)
extraction.compute = lambda images, size: expected
for attempt in range(60):
    images = np.full((3, 4, 4, 3), attempt // 20, np.uint8)
    assert np.array_equal(pretrained.features(images), expected)
    if attempt % 3 == 0:   # begin again
        for path in extraction.folder().glob("features-*.npz"):
            path.unlink(missing_ok=True)
"""


def test_two_kernels_can_use_it_at_once(cache):
    kernels = [subprocess.Popen([sys.executable, "-W", "error", "-c", KERNEL], stderr=subprocess.PIPE, text=True)
               for _ in range(2)]
    assert [kernel.communicate()[1] for kernel in kernels] == ["", ""]
    assert [kernel.returncode for kernel in kernels] == [0, 0]
    assert {path.suffix for path in cache.iterdir()} <= {".npz"}


@pytest.mark.parametrize(("wrong", "words"), [
    (images()[0], "images\\[None\\]"), (images()[..., :1], "shape"), (images().reshape(3, -1), "shape"),
    (images()[:, :0], "shape"), (images().astype("float32"), "255"), (images() / 127.5 - 1, "0 to 1"),
    (np.full((1, 4, 4, 3), np.nan), "0 to 1"), (images().astype("int64"), "int64"), ("photo.jpg", "shape")])
def test_what_is_no_color_image_is_refused(wrong, words):
    with refused(ValueError, words):
        pretrained.features(wrong)


@pytest.mark.parametrize("size", [31, 64.0, None])
def test_a_size_that_cannot_be_is_refused(size):
    with refused(ValueError, "size"):
        pretrained.features(images(), size=size)


def test_damaged_shipped_features_are_refused():
    extraction.SHIPPED.write_bytes(extraction.SHIPPED.read_bytes()[:-10])
    with refused(ValueError, "damaged"):
        pretrained.features(images())
