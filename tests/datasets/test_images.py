"""Images whose labels survive some changes and not others."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets
from course_utils.datasets import images
from tests.helpers.sentences import refused

MIRRORS = {"left-right": (-1, 1), "top-bottom": (1, -1)}
TWINS = {"left-right": {"b": "d", "d": "b", "p": "q", "q": "p"},
         "top-bottom": {"b": "p", "d": "q", "p": "b", "q": "d", "u": "n", "n": "u", "v": None}}


def mirrored(x, mirror):
    return x[..., ::MIRRORS[mirror][1], ::MIRRORS[mirror][0]]


def test_digits_on_a_canvas_are_the_same_digits_with_nothing_cut_off(digits):
    small, large = digits.x_train.reshape(-1, 8, 8), datasets.canvas_digits(0, size=14)
    assert large.x_train.shape == (1077, 196)
    np.testing.assert_array_equal(large.y_train, digits.y_train)
    for image, canvas in zip(small, large.x_train.reshape(-1, 14, 14), strict=True):
        np.testing.assert_array_equal(_stroke(canvas), _stroke(image))


def _stroke(image):
    rows, columns = np.nonzero(image)
    return image[rows.min():rows.max() + 1, columns.min():columns.max() + 1]


def test_digits_at_random_reach_every_edge_and_centered_ones_none(digits):
    anywhere, centered = (datasets.canvas_digits(0, placement=placement).x_train.reshape(-1, 12, 12)
                          for placement in ("random", "center"))
    edges = [(slice(None), 0), (slice(None), -1), (slice(None), slice(None), 0), (slice(None), slice(None), -1)]
    assert all(anywhere[edge].any() for edge in edges)
    np.testing.assert_array_equal(centered[:, 2:10, 2:10], digits.x_train.reshape(-1, 8, 8))
    assert centered.sum() == pytest.approx(digits.x_train.sum())


@pytest.mark.parametrize(("arguments", "message"), [
    ({"size": 7}, "size is 7; expected a whole number of pixels from 8 up"),
    ({"size": 12.0}, "size is 12.0; expected"), ({"placement": "left"}, "write 'random' or 'center'")], ids=str)
def test_a_canvas_that_cannot_be_is_one_sentence(arguments, message):
    with refused(ValueError, match=message):
        datasets.canvas_digits(**arguments)


@settings(max_examples=25)
@given(st.sampled_from(list(MIRRORS)), st.sampled_from(datasets.GLYPHS), st.integers(0, 10**6))
def test_the_mirror_image_of_a_letter_is_its_twin_by_a_mirrored_hand(mirror, name, seed):
    twin = TWINS[mirror].get(name, name)
    if twin is None:   # an upside-down v is no letter
        return
    hand, flip = images.shaky(5, np.random.default_rng(seed)), np.diag(MIRRORS[mirror])
    other = hand | {"maps": flip @ hand["maps"] @ flip, "centers": hand["centers"] @ flip}
    np.testing.assert_allclose(mirrored(images.drawn(images._STROKES[name], **hand), mirror),
                               images.drawn(images._STROKES[twin], **other), atol=1e-12)


@functools.cache
def many_glyphs():
    split = datasets.glyphs(1, samples=10_000)
    return {name: split.x_train[split.y_train == label].reshape(-1, 12, 12)
            for label, name in enumerate(datasets.GLYPHS)}


def difference(first, second):
    """Of two groups of images: the largest of all pixels, in standard errors."""
    error = np.sqrt(first.var(0) / len(first) + second.var(0) / len(second))
    return np.abs((first.mean(0) - second.mean(0)) / error).max()


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize("name", datasets.GLYPHS)
def test_mirrored_letters_have_the_distribution_of_their_twins_and_of_no_other_letter(name, mirror):
    """A hand draws as many strokes slanted, turned and moved to one side as to the other."""
    turned = mirrored(many_glyphs()[name], mirror)
    for other, drawn in many_glyphs().items():
        same = other == TWINS[mirror].get(name, name)
        assert (difference(turned, drawn) < 5) == same, other


def test_letters_are_inked_between_0_and_1_and_a_hand_that_is_wider_leaves_more():
    hand = {"maps": np.diag([3.5, 3.5])[None], "centers": np.zeros((1, 2))}
    thin, thick = (images.drawn(images._STROKES["l"], **hand, widths=np.array([width])) for width in (1.0, 2.0))
    assert thin.sum() == pytest.approx(7 + np.pi / 4, rel=0.1)    # 7 pixels long, 1 wide, two half circles at its ends
    assert thick.sum() == pytest.approx(14 + np.pi, rel=0.1)
    x = datasets.glyphs().x_train
    assert (x.min(), x.max()) == (0, 1)


def clean_textures():
    split = datasets.textures(2, samples=3000, noise=0)
    power = np.abs(np.fft.fft2(split.x_train.reshape(-1, 12, 12)))
    return {name: power[split.y_train == label] > 1 for label, name in enumerate(datasets.TEXTURES)}


def test_a_texture_is_what_its_name_says():
    waves = clean_textures()
    number = np.fft.fftfreq(12, 1 / 12)
    length = np.hypot(*np.meshgrid(number, number))
    for name, there in waves.items():
        count = there.sum((1, 2))   # a wave is counted in both directions
        if "stripes" in name:
            assert set(count) == {2}
        elif name == "checks":
            assert set(count) == {4}
            np.testing.assert_array_equal(_turned(there), there)
        else:
            assert len(set(count)) == 1
            assert count[0] > 8
    longest = {name: length[there.any(0)].min() for name, there in waves.items()}
    shortest = {name: length[there.any(0)].max() for name, there in waves.items()}
    assert shortest["coarse noise"] < longest["medium noise"] < shortest["medium noise"] < longest["fine noise"]
    assert shortest["stripes"] < longest["fine stripes"]


def _turned(waves):
    """The waves of patches that are turned by 90 degrees."""
    return np.roll(waves[:, ::-1], 1, 1).swapaxes(1, 2)


@pytest.mark.parametrize("change", [lambda waves: np.roll(waves[:, ::-1], 1, 1), lambda waves: waves.swapaxes(1, 2),
                                    _turned], ids=["flipped", "transposed", "turned"])
def test_a_texture_has_no_direction(change):
    for name, waves in clean_textures().items():
        before, after = ({patch.tobytes() for patch in np.ascontiguousarray(x)} for x in (waves, change(waves)))
        assert before == after, name


def test_a_texture_has_no_place_and_mean_0():
    split = datasets.textures(3, samples=3000)
    np.testing.assert_allclose(split.x_train.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(split.x_train.var(0), 1 + 0.3**2, rtol=0.15)   # as bright everywhere
    for label in range(split.classes):
        x = split.x_train[split.y_train == label]
        assert np.abs(x.mean(0)).max() < 5 * x.std() / np.sqrt(len(x))


@pytest.mark.parametrize("load", [datasets.glyphs, datasets.textures])
def test_drawn_images_need_more_than_a_linear_model_of_few_and_reward_one_of_many(load):
    from sklearn.linear_model import LogisticRegression

    split = load(0)
    scores = [LogisticRegression(max_iter=300).fit(split.x_train[:size], split.y_train[:size]).score(
        split.x_val, split.y_val) for size in (100, 1080)]
    assert scores[0] < 0.8
    assert 1 / split.classes + 0.05 < scores[1] < 0.98


def test_photographs_are_color_images_between_0_and_1():
    photographs = datasets.photographs()
    assert list(photographs) == ["china", "flower"]
    for image in photographs.values():
        assert image.shape == (427, 640, 3)
        assert image.dtype == np.float32
        assert (image.min(), image.max()) == (0, 1)
