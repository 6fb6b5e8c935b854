"""Emoji by two artists: the same things, drawn by two teams; a task on which the techniques of the course matter."""

import csv
from collections import Counter

import numpy as np

from course_utils.datasets.packaged import FILES, read
from course_utils.datasets.split import Split

EMOJI = ("animals", "faces", "food", "hands", "people", "signs", "vehicles")   # the name of each class
ARTISTS = ("google", "twitter")
SIDE = 64      # pixels of a stored drawing
COLUMNS = 32   # drawings in a row of a sheet
TRAINING, VALIDATION, TEST = 443, 150, 250   # concepts


def emoji(seed=0, *, artist="google", size=32, scaled=True, near_duplicates="none"):
    """What does an emoji show? Color drawings of 843 concepts, on white, by two artists; seven classes.

    `EMOJI` names the classes: animals, faces, food, hands, people, signs, and vehicles. The same 250
    concepts are the test set, whatever the seed. For the same seed, both artists have the same
    concepts in the same order, so ``emoji(seed, artist="twitter").x_val`` are the validation images
    of ``emoji(seed)`` as another artist draws them.

    Parameters
    ----------
    seed : int
        Divides the other 593 concepts into 443 for training and 150 for validation, with equal
        shares of every class. Things that look the same but for a mirror or a turn stay together.
    artist : {"google", "twitter", "both"}
        Who drew the images: the team of Noto Emoji, or that of Twemoji. "both" gives two images per
        concept, first those of Google and then those of Twitter. Each of the three counts as a test set
        of its own, so opening one does not warn when you open another.
    size : {32, 64}
        Images have shape (size, size, 3). Those of 32 pixels are averages of 2×2 pixels.
    scaled : bool
        Pixels from 0 to 1; otherwise from 0 to 255. Both are float32.
    near_duplicates : {"none", "grouped", "random"}
        "none": one emoji per concept. Otherwise there are also the woman and the man for each person,
        the runner who faces right, and so on, 153 more drawings per artist, but none of a concept
        of the test set, which stays as it is. "grouped": all emoji of a concept are on the same side.
        "random": they are divided without regard to concepts, so that the training set has
        near-duplicates of validation images. This is a leak, and there to be shown.

    Returns
    -------
    Split

    Raises
    ------
    FileNotFoundError, ValueError
        A file in this package is missing or damaged; or an argument has none of these values.

    Source: Noto Emoji (Google, Apache License 2.0) and Twemoji (Twitter and contributors, CC BY 4.0), from
    the packages emoji-datasource-google and emoji-datasource-twitter; changed: put on white.
    """
    if artist not in (*ARTISTS, "both"):
        raise ValueError(f"artist is {artist!r}; write 'google', 'twitter', or 'both'.")
    if size not in (SIDE // 2, SIDE):
        raise ValueError(f"size is {size!r}; expected 32 or 64 pixels.")
    artists = ARTISTS if artist == "both" else (artist,)
    drawings = {name: emoji_images(name) for name in artists}
    labels = np.array([EMOJI.index(row["class"]) for row in emoji_table()], "int32")

    def part(rows):
        x = np.concatenate([drawings[name][rows] for name in artists]).astype("float32")
        if size < SIDE:
            x = x.reshape(len(x), size, 2, size, 2, 3).mean((2, 4))
        return x / np.float32(255 if scaled else 1), np.tile(labels[rows], len(artists))

    train, validation, test = map(part, emoji_rows(seed, near_duplicates=near_duplicates))
    return Split(f"emoji({artist})", *train, *validation, test)


def emoji_rows(seed=0, *, near_duplicates="none"):
    """Which rows of `emoji_table` and of `emoji_images` are in each part of ``emoji(seed)``.

    Returns
    -------
    train, validation, test : int arrays
    """
    if near_duplicates not in ("none", "grouped", "random"):
        raise ValueError(f"near_duplicates is {near_duplicates!r}; write 'none', 'grouped', or 'random'.")
    table = emoji_table()
    classes, groups, parts = (np.array([row[column] for row in table]) for column in ("class", "group", "part"))
    test = np.flatnonzero(parts == "test")
    wanted = parts == "rest" if near_duplicates == "none" else ~np.isin(groups, groups[test])
    rest = np.flatnonzero(wanted)
    together = np.arange(len(rest)) if near_duplicates == "random" else groups[rest]
    rng = np.random.default_rng(seed)
    chosen = draw(classes[rest], together, round(len(rest) * VALIDATION / (TRAINING + VALIDATION)), rng)
    return rng.permutation(rest[~chosen]), rng.permutation(rest[chosen]), test


def draw(classes, groups, count, rng):
    """Draw about equal shares of every class, and whole groups only.

    Parameters
    ----------
    classes, groups : arrays (samples,)
        All samples of a group have the same class.
    count : int
        Number of samples to draw.
    rng : numpy.random.Generator

    Returns
    -------
    bool array (samples,)
        True for the samples that are drawn.
    """
    names, sizes = np.unique(classes, return_counts=True)
    shares = sizes * count / len(classes)
    places = np.floor(shares).astype(int)
    places[np.argsort(places - shares, kind="stable")[:count - places.sum()]] += 1   # the largest remainders
    left = dict(zip(names, places, strict=True))
    chosen = np.zeros(len(classes), bool)
    for group in rng.permutation(np.unique(groups)):
        members = np.flatnonzero(groups == group)
        name = classes[members[0]]
        if len(members) <= left[name]:   # else it stays where it is, and a smaller group fills the place
            chosen[members] = True
            left[name] -= len(members)
    return chosen


def emoji_table():
    """What is known of each emoji: a list of dicts, in the order of the images.

    Their keys are "code", the Unicode code points; "name", as in Unicode; "class", one of `EMOJI`;
    "group", the same for emoji that have to stay on the same side of a split; and "part", which is "test",
    "rest", or "near-duplicate" for all but one emoji of a concept.
    """
    def reader(path):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        parts, classes = (Counter(row[column] for row in rows) for column in ("part", "class"))
        if (parts["test"], parts["rest"]) != (TEST, TRAINING + VALIDATION) or set(classes) != set(EMOJI):
            raise ValueError("another table")
        return rows

    return read(FILES / "emoji.csv", reader, "install the course again")


def emoji_images(artist):
    """All drawings of an artist, "google" or "twitter": bytes (emoji, 64, 64, 3), in the order of `emoji_table`."""
    from PIL import Image

    count = len(emoji_table())

    def reader(path):
        with Image.open(path) as sheet:
            pixels = np.asarray(sheet.convert("RGB"))
        rows = -(-count // COLUMNS)
        if pixels.shape != (rows * SIDE, COLUMNS * SIDE, 3):
            raise ValueError("another size")
        return pixels.reshape(rows, SIDE, COLUMNS, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)[:count]

    return read(FILES / f"emoji_{artist}.webp", reader, "install the course again")
