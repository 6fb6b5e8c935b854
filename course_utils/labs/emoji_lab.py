"""Which drawings does a classification head confuse, and does it recognize those of another artist?"""

import functools

import numpy as np
import xarray as xr

from course_utils import datasets, pretrained, stats
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, EPOCHS = 10, 30
ARTISTS = {"google": "The artist it learned from", "twitter": "Another artist"}
SIDE, FRAME = 32, 2   # of a picture, in pixels


class EmojiLab(Lab):
    """A linear classification head on pretrained features: what it confuses with what, for both artists."""

    controls = {
        "learning_rate": controls.log_uniform("learning rate", 0.03, low=1e-3, high=1.0),
        "dropout": controls.uniform("dropout rate", 0.0, high=0.9),
        "weight_decay": controls.log_uniform("weight decay", 1e-3, low=1e-4, high=1.0),
        "class_weights": controls.boolean("class weights", False, structural=True),
        "label_noise": controls.uniform("label noise", 0.0, high=0.6, unit="of the labels"),
        "train_size": controls.choice("training images", [35, 70, 140, 280, 443], 443, structural=False),
    }
    try_this = (
        "Use 35 training images. Which classes does the network confuse now, and for which artist?",
        "Raise the label noise to 0.4. Which control repairs more of the damage, dropout or weight decay?",
        "Turn on the class weights. Which class gains, and does the accuracy change?")
    stays_light = True

    def compute(self, state, report):
        """Train ten heads, and classify the validation images of both artists."""
        from course_utils import fit_many

        split, x, y = features()
        knobs = {name: value for name, value in state.items() if name != "class_weights"}
        counts = np.bincount(split.y_train)
        runs = fit_many(head, split, knobs | {"seed": range(SEEDS)}, epochs=EPOCHS, optimizer="adamw", predict=x,
                        class_weight=dict(enumerate(counts.mean() / counts)) if state["class_weights"] else None,
                        callback=lambda partial: report(confusions(partial, y)))
        return confusions(runs, y)

    def draw(self, axes, state, runs):
        """One grid of pictures for each artist: true classes from top to bottom, predicted ones from left to right."""
        last = runs.isel(epoch=-1)
        for ax, artist in zip(axes, ARTISTS, strict=True):
            taken = last.taken.sel(artist=artist).mean("seed").values
            ax.imshow(grid(artist, taken))
            places = (SIDE + FRAME) * (np.arange(len(datasets.EMOJI)) + 0.5)
            ax.set(title=ARTISTS[artist], xticks=places, yticks=places, xlabel="predicted class")
            ax.set_xticklabels(datasets.EMOJI, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
            ax.set_yticklabels(datasets.EMOJI if ax is axes[0] else [], fontsize=9)
            ax.grid(visible=False)
            ax.tick_params(length=0)
        same, other = (in_percent(stats.interval(last.accuracy.sel(artist=artist))) for artist in ARTISTS)
        return (f"Validation accuracy after {int(last.epoch)} epochs on {state['train_size']} training images, mean of "
                f"{SEEDS} seeds and 95% interval: {same} for the artist it learned from, {other} for another artist. "
                f"{most_confused(last)}")

    def result(self, state, runs):
        """The accuracy for both artists."""
        same, other = runs.accuracy.isel(epoch=-1).mean("seed").values
        return f"{same:.0%} for the same artist, {other:.0%} for another artist"


def head(*, input_shape, classes):
    """A linear classification head."""
    import keras
    from keras import layers

    return keras.Sequential([keras.Input(input_shape), layers.Dropout(0.0), layers.Dense(classes, "softmax")])


@functools.cache
def drawings(artist):
    """The validation drawings of an artist, as a `Split` with images of 64×64 pixels."""
    return datasets.emoji(size=2 * SIDE, artist=artist)


@functools.cache
def features():
    """A `Split` of pretrained features, and the features and classes of both artists' validation images."""
    split, other = (drawings(artist) for artist in ARTISTS)
    x_train, x_val, x_other = (pretrained.features(x) for x in (split.x_train, split.x_val, other.x_val))
    return (split.replace(x_train=x_train, x_val=x_val, test=None), np.concatenate([x_val, x_other]),
            np.stack([split.y_val, other.y_val]))


def confusions(runs, y):
    """What each image was taken for, and the accuracy.

    Parameters
    ----------
    runs : xarray.Dataset
        From `fit_many`, with ``probability`` for the images of both artists, one after the other.
    y : int array (artists, images)

    Returns
    -------
    xarray.Dataset
        ``taken``, bool, dims (artist, seed, epoch, image, class); ``accuracy``, dims (artist, seed, epoch).
    """
    chosen = runs.probability.argmax("class").values.reshape(*runs.probability.shape[:2], *y.shape)   # seed, epoch, …
    taken = np.moveaxis(chosen, 2, 0)[..., None] == np.arange(runs.sizes["class"])
    right = np.moveaxis(chosen == y, 2, 0).mean(-1)
    return xr.Dataset({"taken": (("artist", "seed", "epoch", "image", "class"), taken),
                       "accuracy": (("artist", "seed", "epoch"), right)},
                      {"artist": list(ARTISTS), "seed": runs.seed, "epoch": runs.epoch}, attrs=runs.attrs)


def grid(artist, taken):
    """A picture of pictures: in each cell, the image of the true class that is most often taken for the other class.

    `taken` is an array (images, classes) with shares of the seeds. Incorrect classes have an orange frame. A cell is
    empty if no image is taken for this class by at least half of the networks.
    """
    split, classes = drawings(artist), taken.shape[1]
    cell = SIDE + FRAME
    picture = np.full((classes * cell, classes * cell, 3), 0.93)
    for truth in range(classes):
        rows = np.flatnonzero(split.y_val == truth)
        for predicted in range(classes):
            image = rows[taken[rows, predicted].argmax()]
            if taken[image, predicted] >= 0.5:   # at least half of the networks agree
                small = split.x_val[image].reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
                top, left = truth * cell, predicted * cell
                picture[top:top + cell, left:left + cell] = (0.84, 0.37, 0) if truth != predicted else 1
                picture[top + FRAME:top + SIDE, left + FRAME:left + SIDE] = small[FRAME:, FRAME:]
    return picture


def most_confused(last):
    """Which class is most often taken for which other one, in a sentence."""
    _, _, y = features()
    taken = last.taken.mean("seed").values
    shares = np.stack([[rows[classes == truth].mean(0) for truth in range(len(datasets.EMOJI))]
                       for rows, classes in zip(taken, y, strict=True)])
    shares[:, np.arange(len(datasets.EMOJI)), np.arange(len(datasets.EMOJI))] = 0
    if not shares.any():
        return "No class is taken for another."
    artist, truth, predicted = np.unravel_index(shares.argmax(), shares.shape)
    return (f"The most common confusion: of the {datasets.EMOJI[truth]} by the "
            f"{'same' if artist == 0 else 'other'} artist, {shares.max():.0%} are taken for "
            f"{datasets.EMOJI[predicted]}.")
