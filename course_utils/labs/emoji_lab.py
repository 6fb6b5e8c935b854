"""Which drawings does a classification head confuse, and does it recognize those of another artist?"""

import functools

import numpy as np

from course_utils import datasets, plots, stats
from course_utils.experiments import emoji_heads
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, EPOCHS = 10, 30
TITLES = {"google": "The artist it learned from", "twitter": "Another artist"}
CLASSES = len(datasets.EMOJI)
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
        knobs = {name: value for name, value in state.items() if name != "class_weights"}
        return emoji_heads.train(knobs | {"seed": range(SEEDS)}, epochs=EPOCHS, balanced=state["class_weights"],
                                 report=report)

    def draw(self, axes, state, runs):
        """One grid of pictures for each artist: true classes from top to bottom, predicted ones from left to right."""
        last = runs.isel(epoch=-1)
        places = (SIDE + FRAME) * (np.arange(CLASSES) + 0.5)
        for ax, artist in zip(axes, TITLES, strict=True):
            plots.picture(ax, grid(artist, last.taken.sel(artist=artist).mean("seed")), title=TITLES[artist])
            ax.set_xlabel("predicted class")
            ax.set_xticks(places, datasets.EMOJI, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
            ax.set_yticks(places, datasets.EMOJI if ax is axes[0] else [""] * CLASSES, fontsize=9)
            ax.tick_params(length=0)
        same, other = (in_percent(stats.interval(last.accuracy.sel(artist=artist))) for artist in TITLES)
        return (f"Validation accuracy after {int(last.epoch)} epochs, mean of {SEEDS} seeds and 95% interval: {same} "
                f"for the artist it learned from, {other} for another artist. {most_confused(last.taken)}")

    def result(self, state, runs):
        """The accuracy for both artists."""
        same, other = runs.accuracy.isel(epoch=-1).mean("seed").values
        return f"{same:.0%} for the same artist, {other:.0%} for another artist"


@functools.cache
def drawings(artist):
    """An artist's validation drawings, (images, 32, 32, 3)."""
    return datasets.emoji(artist=artist).x_val


def grid(artist, taken):
    """A picture of pictures: in each cell, the image of the true class that is most often taken for the other class.

    `taken` is a DataArray (image, class) with shares of the seeds. Incorrect classes have an orange frame. A cell is
    empty if no image is taken for this class by at least half of the networks.
    """
    cell = SIDE + FRAME
    picture = np.full((CLASSES * cell, CLASSES * cell, 3), 0.93)
    for truth, predicted in np.ndindex(CLASSES, CLASSES):
        share = taken.isel({"class": predicted}).where(taken.truth == truth, -1)
        if share.max() >= 0.5:
            frame = picture[truth * cell:(truth + 1) * cell, predicted * cell:(predicted + 1) * cell]
            frame[:] = (0.84, 0.37, 0) if truth != predicted else 1
            frame[FRAME:SIDE, FRAME:SIDE] = drawings(artist)[share.argmax("image").item()][FRAME:, FRAME:]
    return picture


def most_confused(taken):
    """Which class is most often taken for which other one, in a sentence."""
    shares = taken.mean("seed").groupby("truth").mean().transpose("artist", "truth", "class").values
    shares[:, range(CLASSES), range(CLASSES)] = 0
    artist, truth, predicted = np.unravel_index(shares.argmax(), shares.shape)
    return (f"The most common confusion: of the {datasets.EMOJI[truth]} by the {'other' if artist else 'same'} artist, "
            f"{shares.max():.0%} are taken for {datasets.EMOJI[predicted]}.")
