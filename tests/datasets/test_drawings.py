"""Emoji by two artists: what is the same stays on one side of every split, and on the same side for both artists."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from course_utils import datasets
from course_utils.datasets import drawings
from tests.helpers.sentences import refused

ALIKE = 0.03   # root mean square difference of pixels in [0, 1]
SEEDS = range(3)


def parts(split):
    return [(split.x_train, split.y_train), (split.x_val, split.y_val), split.test]


def alike(x, others):
    """For each image, whether one of the others is the same, perhaps mirrored or turned, at 16×16 pixels."""
    x, others = (images.reshape(len(images), 16, 2, 16, 2, 3).mean((2, 4)) for images in (x, others))
    flat, nearest = x.reshape(len(x), -1), np.inf
    for turns in range(4):
        for turned in (np.rot90(others, turns, (1, 2)), np.rot90(others[:, :, ::-1], turns, (1, 2))):
            other = turned.reshape(len(others), -1)
            squares = (flat**2).sum(1)[:, None] + (other**2).sum(1) - 2 * flat @ other.T
            nearest = np.minimum(nearest, squares.min(1) / flat.shape[1])
    return nearest < ALIKE**2


@pytest.fixture(scope="module")
def table():
    return datasets.emoji_table()


@pytest.mark.parametrize("artist", drawings.ARTISTS)
def test_sizes_and_classes_are_those_of_the_docstring_and_no_network_is_needed(artist, offline):
    split = datasets.emoji(artist=artist)
    assert [x.shape for x, _ in parts(split)] == [(443, 32, 32, 3), (150, 32, 32, 3), (250, 32, 32, 3)]
    assert {x.dtype for x, _ in parts(split)} == {np.dtype("float32")}
    assert (split.x_train.min(), split.x_train.max()) == (0, 1)
    assert split.classes == len(datasets.EMOJI) == 7
    shares = [np.bincount(y) / len(y) for _, y in parts(split)]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.01)
    np.testing.assert_allclose(shares[2], shares[0], atol=0.01)


def test_pixels_and_sizes_can_be_chosen():
    raw, large = datasets.emoji(scaled=False), datasets.emoji(size=64)
    np.testing.assert_allclose(raw.x_val / 255, datasets.emoji().x_val, rtol=1e-6)
    assert raw.x_val.max() == 255
    assert large.x_val.shape == (150, 64, 64, 3)
    averages = large.x_val.reshape(150, 32, 2, 32, 2, 3).mean((2, 4))
    np.testing.assert_allclose(averages, datasets.emoji().x_val, atol=1e-6)


def test_images_belong_to_their_rows(table):
    images = datasets.emoji_images("twitter")
    assert images.shape == (len(table), 64, 64, 3)
    for rows, (x, y) in zip(datasets.emoji_rows(5), parts(datasets.emoji(5, artist="twitter", size=64)), strict=True):
        np.testing.assert_array_equal(x, images[rows] / np.float32(255))
        assert [datasets.EMOJI[label] for label in y] == [table[row]["class"] for row in rows]


def test_the_pictures_show_what_the_table_says(table):
    """A green apple is green, a red one is red, and the corners of both are white."""
    names = [row["name"] for row in table]
    for artist in drawings.ARTISTS:
        images = datasets.emoji_images(artist)
        for name, channel in (("GREEN APPLE", 1), ("RED APPLE", 0), ("LARGE BLUE CIRCLE", 2)):
            image = images[names.index(name)]
            assert image[32, 32].argmax() == channel
            assert image[0, 0].min() == 255


def test_for_the_same_seed_both_artists_draw_the_same_things_in_the_same_order():
    google, twitter, both = (datasets.emoji(2, artist=artist) for artist in ("google", "twitter", "both"))
    for (x, y), (other, labels), (x_both, y_both) in zip(parts(google), parts(twitter), parts(both), strict=True):
        np.testing.assert_array_equal(y, labels)
        assert not np.array_equal(x, other)
        np.testing.assert_array_equal(x_both, np.concatenate([x, other]))
        np.testing.assert_array_equal(y_both, np.concatenate([y, labels]))


def test_every_seed_has_the_same_test_set_and_trains_on_none_of_it(table):
    rows = [datasets.emoji_rows(seed) for seed in SEEDS]
    rest = np.flatnonzero([row["part"] == "rest" for row in table])
    for train, validation, test in rows:
        np.testing.assert_array_equal(test, rows[0][2])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), rest)
    assert len({frozenset(train.tolist()) for train, *_ in rows}) == len(rows)
    np.testing.assert_array_equal(datasets.emoji_rows(1)[0], rows[1][0])


def test_each_artist_has_a_test_set_that_says_when_it_is_opened_again(monkeypatch):
    monkeypatch.setattr(datasets.split, "_opened", set())
    datasets.emoji(0).open_test()
    datasets.emoji(0, artist="twitter").open_test()
    with pytest.warns(datasets.TestSetReopened, match=r"test set of emoji\(google\)"):
        datasets.emoji(1, near_duplicates="random").open_test()


def test_one_emoji_stands_for_its_concept(table):
    codes = {row["code"]: row["part"] for row in table}
    runner, woman, right = (codes[code] for code in ("1F3C3", "1F3C3-200D-2640-FE0F", "1F3C3-200D-27A1-FE0F"))
    assert runner in ("rest", "test")
    assert woman == right == "near-duplicate"
    assert Counter(row["part"] for row in table)["test"] == 250
    classes = Counter(row["class"] for row in table if row["part"] != "near-duplicate")
    assert classes == {"animals": 130, "faces": 130, "food": 124, "hands": 43, "people": 122, "signs": 222,
                       "vehicles": 72}


@pytest.mark.parametrize("near_duplicates", ["none", "grouped"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_group_is_on_two_sides(seed, near_duplicates, table):
    sides = defaultdict(set)
    for side, rows in enumerate(datasets.emoji_rows(seed, near_duplicates=near_duplicates)):
        for row in rows:
            sides[table[row]["group"]].add(side)
    assert {len(seen) for seen in sides.values()} == {1}


@pytest.mark.parametrize("artist", drawings.ARTISTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_nearest_neighbors_of_an_image_on_other_sides_are_other_drawings(artist, seed):
    (train, _), (validation, _), (test, _) = parts(datasets.emoji(seed, artist=artist))
    assert not alike(validation, train).any()
    assert not alike(test, np.concatenate([train, validation])).any()


@pytest.mark.parametrize("artist", drawings.ARTISTS)
def test_near_duplicates_leak_into_a_random_split_and_not_into_a_grouped_one(artist, table):
    random, grouped = (datasets.emoji(artist=artist, near_duplicates=how) for how in ("random", "grouped"))
    assert alike(random.x_val, random.x_train).sum() >= 5
    assert not alike(grouped.x_val, grouped.x_train).any()
    assert not alike(random.test[0], np.concatenate([random.x_train, random.x_val])).any()
    assert len(random.x_train) == len(grouped.x_train) > 443
    rows = [datasets.emoji_rows(near_duplicates=how) for how in ("random", "grouped")]
    assert set(np.concatenate(rows[0][:2])) == set(np.concatenate(rows[1][:2]))   # only divided differently


@pytest.mark.parametrize(("arguments", "match"), [
    ({"artist": "apple"}, "artist is 'apple'; write 'google', 'twitter', or 'both'"),
    ({"size": 48}, "size is 48; expected 32 or 64 pixels"),
    ({"near_duplicates": True}, "near_duplicates is True; write 'none', 'grouped', or 'random'")])
def test_an_argument_that_cannot_be_is_one_sentence(arguments, match):
    with refused(ValueError, match=match):
        datasets.emoji(**arguments)


def test_a_draw_takes_whole_groups_and_equal_shares():
    classes = np.repeat(["a", "b"], [60, 30])
    groups = np.arange(90) // 3
    for seed in range(5):
        chosen = drawings.draw(classes, groups, 31, np.random.default_rng(seed))
        whole = chosen.reshape(30, 3)
        assert (whole.all(1) | ~whole.any(1)).all()
    chosen = drawings.draw(classes, np.arange(90), 31, np.random.default_rng(0))
    assert (chosen[:60].sum(), chosen[60:].sum()) == (21, 10)
