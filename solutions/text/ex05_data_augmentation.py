# %% [markdown]
# # Exercise 05: what can change without changing the label?
#
# You will
#
# - **write** a random shift and MixUp in NumPy;
# - **build** a Keras model that augments in training and leaves inference alone;
# - **choose** transformations for three data sets, and **defend** the choice;
# - **find** a leak, **fix** it, and **measure** how much it inflated the accuracy;
# - **referee** a comparison of two networks.
#
# It takes about 90 minutes and builds on lecture 11. Replace each `...` with your
# answer and run the check below it. A check prints one line:
#
# - `✓` your answer has every property it should have;
# - `✗` a property is violated, followed by a hint;
# - `·` no answer yet.
#
# There are many right ways to write each answer, and the checks accept them all.
# If you are stuck, press **Hint** below the check. There are three hints for each
# question, and each one says more than the one before. When you are done, click
# **Check my work** at the end. It runs your notebook from top to bottom in a kernel of
# its own. When you click again, only what you have changed runs again.

# %%
from course_utils.checks.exercise import hint, progress

# %% [markdown]
# ## 5.1 A random shift
#
# In the simplest transformation, an image moves by a few whole pixels and still shows
# the same thing. For each image of a batch, draw two integers from −`most` to `most`,
# both ends included and all equally likely: the number of rows it moves down, and the
# number of columns it moves to the right. Pixels that leave the image are lost, and
# zeros come in. Nothing wraps around to the opposite edge.
#
# Draw from `rng`, a `numpy.random.Generator`, in any way you like. `most` is smaller
# than the sides of the images.

# %% question="5.1"
import numpy as np


def random_shift(images, most, rng):
    """Shift each image by a random number of whole pixels.

    images : (N, H, W), of any dtype;  most : int, at least 0
    rng : numpy.random.Generator
    returns moved images : (N, H, W), of the same dtype
    """
    # BEGIN SOLUTION
    _, height, width = images.shape
    # Add a border of zeros, then take a random window of each image.
    sides = ((0, 0), (most, most), (most, most))
    padded = np.pad(images, sides)
    moved = np.empty_like(images)
    tops, lefts = rng.integers(0, 2 * most, (2, len(images)), endpoint=True)
    for n, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        moved[n] = padded[n, top:top + height, left:left + width]
    return moved
    # END SOLUTION

# %% question="5.1" tags=["nbval-check-output"]
from course_utils.checks import data_augmentation as checks

checks.shift(random_shift)

# %% [markdown]
# Look at your work: one digit in the middle of a black canvas, and four shifts of it
# by at most two pixels. Do you always see the whole digit?

# %%
from course_utils import datasets, plots

canvas = datasets.canvas_digits(seed=0, placement="center")
digit = canvas.x_train[:1].reshape(1, 12, 12).repeat(5, axis=0)
moved = random_shift(digit, 2, np.random.default_rng(0))
if moved is not None:
    names = ["as it is", "shifted", "again", "and again", "once more"]
    _ = plots.images([dict(zip(names, [digit[0], *moved[1:]], strict=True))],
                     title="A shifted digit is still that digit")

# %% [markdown]
# ## 5.2 MixUp
#
# MixUp (Zhang et al. 2018) makes images that show two things at once, with labels
# that say so:
#
# $$\tilde x_n = \lambda_n x_n + (1 - \lambda_n)\, x_{\pi(n)}, \qquad
# \tilde y_n = \lambda_n y_n + (1 - \lambda_n)\, y_{\pi(n)}.$$
#
# Here $\pi$ is a random permutation of the batch, so each image is a partner once
# (occasionally its own). Each image has its own share $\lambda_n$, drawn from
# $\mathrm{Beta}(\alpha, \alpha)$. The labels $y_n$ are one-hot: 1 for the class of the
# image, 0 for all others. Float32 is precise enough.

# %% question="5.2"
def mixup(images, labels, alpha, rng):
    """Mix each image with another of its batch, and their labels too.

    images : (N, H, W), float;  labels : (N, K), one-hot
    alpha : float, greater than 0;  rng : numpy.random.Generator
    returns mixed images, mixed labels : (N, H, W), (N, K)
    """
    # BEGIN SOLUTION
    partner = rng.permutation(len(images))
    share = rng.beta(alpha, alpha, len(images))[:, None]
    mixed_labels = share * labels + (1 - share) * labels[partner]
    share = share[:, :, None]   # the same for all pixels of an image
    return share * images + (1 - share) * images[partner], mixed_labels
    # END SOLUTION

# %% question="5.2" tags=["nbval-check-output"]
from course_utils.checks import data_augmentation as checks

checks.mix(mixup)

# %% [markdown]
# The check solved for your shares and partners, whatever you drew. Below are four
# mixtures, each with all classes that make up a tenth or more of it. Could *you* have
# named them?

# %%
batch = canvas.x_train[:4].reshape(4, 12, 12)
mixed = mixup(batch, np.eye(10)[canvas.y_train[:4]], 1.0,
              np.random.default_rng(4))
if mixed is not None:
    names = [" and ".join(f"{100 * label[k]:.0f}% {k}"
                          for k in np.flatnonzero(label > 0.1))
             for label in mixed[1]]
    _ = plots.images([dict(zip(names, mixed[0], strict=True))],
                     title="A mixture has the labels of both")

# %% [markdown]
# ## 5.3 A model that augments itself
#
# In Keras, a transformation can be a layer. It then acts only in training, is saved
# with the model, and can't be forgotten. Write a function that puts a random shift
# before any image network. Images move by up to `pixels` pixels up or down, and left or
# right, and zeros come in. (`keras.layers.RandomTranslation` also moves by fractions of
# a pixel. That is fine.)
#
# Read the documentation of that layer with `keras.layers.RandomTranslation?` in a new
# cell. Two details matter here: the unit of its factors, and its default at the edges.

# %% question="5.3"
import keras
from keras import layers


def augmenting_model(network, pixels):
    """A network preceded by a random shift.

    network : keras.Model, (None, H, W, 1) → anything; H and W may differ
    pixels : float, at least 0
    returns a keras.Model with the same input and output, not compiled
    """
    # BEGIN SOLUTION
    _, height, width, _ = network.input_shape
    return keras.Sequential([
        keras.Input(network.input_shape[1:]),
        layers.RandomTranslation(pixels / height, pixels / width,
                                 fill_mode="constant"),
        network])
    # END SOLUTION

# %% question="5.3" tags=["nbval-check-output"]
from course_utils.checks import data_augmentation as checks

checks.model(augmenting_model)

# %% [markdown]
# Now train it on the digits in the middle of their canvas. Predict first: which accuracy
# will be higher, on training or on validation images?

# %%
from course_utils import models

keras.utils.set_random_seed(0)
model = augmenting_model(models.mlp(input_shape=(12, 12, 1)), pixels=2)
if model is not None:
    model.compile(keras.optimizers.Adam(0.003),
                  "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        canvas.x_train.reshape(-1, 12, 12, 1), canvas.y_train, epochs=6,
        validation_data=(canvas.x_val.reshape(-1, 12, 12, 1), canvas.y_val),
        verbose=0).history
    for score in ("accuracy", "val_accuracy"):
        print(f"{score:12} {history[score][-1]:.2f}")

# %% [markdown]
# Validation images pass through the layer unchanged, but training images are shifted,
# which makes them harder. (The training accuracy is also an average over the epoch.)
# Here, a training accuracy below the validation accuracy says nothing about underfitting.
#
# There is a trap: `fit`, `evaluate`, and `predict` set the mode. If you call the model
# yourself, set it too. `Dropout` and `BatchNormalization` default to inference, but the
# random image layers of Keras default to *training*:

# %%
layer = layers.RandomTranslation(0.2, 0.2, fill_mode="constant")
some = canvas.x_val[:4].reshape(-1, 12, 12, 1)
for said in ({}, {"training": False}, {"training": True}):
    untouched = np.array_equal(layer(some, **said), some)
    print(f"layer(images, **{said}) leaves them untouched: {untouched}")

# %% [markdown]
# ## 5.4 What can change?
#
# Here are three data sets of 12×12 pixels. Look at one image of each, mirrored both
# ways and turned by 180°. In which rows does an image turn into another class?

# %%
sets = {"digits": canvas, "glyphs": datasets.glyphs(seed=0),
        "textures": datasets.textures(seed=0)}
shown = {"digits": 6, "glyphs": datasets.GLYPHS.index("b"),
         "textures": datasets.TEXTURES.index("stripes")}
rows = []
for name, data in sets.items():
    one = data.x_train[data.y_train == shown[name]][0].reshape(12, 12)
    rows.append({"as it is": one, "left-right": one[:, ::-1],
                 "top-bottom": one[::-1], "half turn": one[::-1, ::-1]})
_ = plots.images(rows, title="A digit, a glyph, a texture")

# %% [markdown]
# The classes of the glyphs and of the textures have names:

# %%
print(*datasets.GLYPHS)
print(*datasets.TEXTURES, sep=", ")

# %% [markdown]
# The networks will have 200 training images. They are judged on unchanged validation
# images and on the same images **shifted** by up to two pixels, as a loosely mounted
# camera would do. In training images, digits are centered, and glyphs are within about
# a pixel of the center.
#
# For each data set, **choose** what happens to training images with some of these knobs
# of `fit_many`:
#
# | knob | each image, in each step |
# |---|---|
# | `shift` | moves by up to this many whole pixels |
# | `placement` | what is not 0 moves anywhere (1), or a share of the way |
# | `horizontal_flip`, `vertical_flip` | is mirrored with this probability |
# | `rotation` | is turned by up to this many degrees |
# | `zoom` | is magnified by a factor from 1 − `zoom` to 1 + `zoom` |
# | `pixel_noise` | gets noise of this standard deviation |
# | `cutout` | loses a square with sides of this many pixels |
# | `mixup` | is mixed with another one; this is alpha |
#
# Two rules are fixed in advance. No transformation may produce an image of another
# class, or one that nobody would write. And each data set must gain at least five points
# on the shifted images (the dashed line below), with an interval above 0.
#
# **Defend** your choice: which classes turn into *another class* of their data set if
# glyphs are mirrored left-right, if glyphs are mirrored top-bottom, if digits make half
# a turn, or if textures undergo any of these? Write both like this:
#
#     choices = {"digits": {"zoom": 0.1, "cutout": 2}, "glyphs": {…},
#                "textures": {…}}
#     swapped = {"glyphs left-right": {"a", "c"}, "glyphs top-bottom": {…},
#                "digits half turn": {…}, "textures": set()}

# %% question="5.4"
# BEGIN SOLUTION: choices, swapped
choices = {
    "digits": {"shift": 2},
    "glyphs": {"shift": 2},
    # Textures differ in neither position nor direction.
    "textures": {"shift": 2, "horizontal_flip": 0.5, "vertical_flip": 0.5},
}
swapped = {
    "glyphs left-right": {"b", "d", "p", "q"},
    "glyphs top-bottom": {"b", "d", "p", "q", "u", "n"},
    "digits half turn": {"6", "9"},
    "textures": set(),
}
# END SOLUTION

# %% [markdown]
# This cell trains ten networks without your transformations and ten with them, from the
# same seeds.

# %%
import pandas as pd
import xarray as xr

from course_utils import augment, fit_many, stats

arms = {"augment_probability": [0.0, 1.0], "seed": range(10),
        "train_size": 200, "depth": 2, "learning_rate": 0.003}

# %%
def judge(data, knobs):
    """Accuracies without and with these knobs, on clean and shifted images."""
    shifted = augment(data.x_val, seed=1, shift=2)
    runs = fit_many(models.mlp, data, grid=knobs | arms, optimizer="adam",
                    epochs=20, evaluate_every=600,   # looks only at the end
                    predict=np.concatenate([data.x_val, shifted]))
    answers = runs.probability.isel(step=-1).argmax("class")
    right = answers == xr.DataArray(np.tile(data.y_val, 2), dims="point")
    clean = len(data.y_val)
    return xr.concat([right[..., :clean].mean("point"),
                      right[..., clean:].mean("point")],
                     pd.Index(["clean", "shifted"], name="images"))

# %%
judged = ...
if choices is not ...:
    judged = {name: judge(sets[name], choices[name]) for name in sets}
    gains = {f"{name}, {images}": stats.paired_difference(
        judged[name].sel(images=images), "augment_probability",
        between=(0.0, 1.0))
        for name in sets for images in ("shifted", "clean")}
    ax = plots.intervals(gains, neutral=0, threshold=0.05, needed="five points",
                         xlabel="accuracy gained by augmentation")
    _ = ax.set_title("What your choices gain")

# %% question="5.4" tags=["nbval-check-output"]
from course_utils.checks import data_augmentation as checks

checks.defended(choices, swapped, judged)

# %% [markdown]
# Look at the clean images, too. Shifting centered digits prepares the network for images
# that a centered test set never shows, and costs accuracy there. For glyphs and textures,
# the same shift helps on both, because their position varies anyway. Both arms had the
# same learning rate. Effects this large survive that, but for small ones each arm needs
# its own.
#
# After your check passes, try a wrong choice: add `horizontal_flip` to the shift of the
# glyphs. Their gain on shifted images does not vanish. How large was it without the
# flip? A good transformation can mask a bad one.

# %% [markdown]
# ## 5.5 The leak
#
# A colleague has 200 images, wants more, and makes four copies of each, slightly
# rotated. This code is from the notebook that came with the report:

# %%
def rotated(images, rng):
    """Changed copies of some images, different in each call."""
    return augment(images, seed=int(rng.integers(2**31)), rotation=10)


def leaky_split(x, y, copies, augment, rng):
    """Training and validation images, as in the notebook."""
    x = np.concatenate([x, *(augment(x, rng) for _ in range(copies))])
    y = np.tile(y, 1 + copies)
    order = rng.permutation(len(x))
    val, train = order[:len(x) // 5], order[len(x) // 5:]
    return x[train], y[train], x[val], y[val]

# %% [markdown]
# We have what the colleague lacks: a thousand fresh images that nobody has trained on.
# `measure` splits and trains with ten seeds, and returns the accuracy of each network
# on the validation images of its split and on the fresh ones. First, here is what the
# notebook reports: the mean accuracy on its validation images.

# %%
digits = datasets.digits(seed=0)
own = digits.x_val[:200], digits.y_val[:200]   # the colleague's
fresh = digits.x_train, digits.y_train


def measure(split):
    """Accuracy on validation and on fresh images: (images, seed)."""
    runs = fit_many(
        models.mlp, lambda seed: datasets.Split("a colleague's", *split(
            *own, 4, rotated, np.random.default_rng(seed))),
        grid={"seed": range(10), "depth": 2, "learning_rate": 0.003},
        epochs=12, evaluate_every=300, optimizer="adam",
        predict=fresh[0]).isel(step=-1)
    answers = runs.probability.argmax("class")
    right = answers == xr.DataArray(fresh[1], dims="point")
    return xr.concat([runs.val_accuracy, right.mean("point")],
                     pd.Index(["validation", "fresh"], name="images"))


leaky = measure(leaky_split)
print(f"reported: {leaky.sel(images='validation').mean():.3f}")

# %% [markdown]
# Would you believe it? Think of one of the 200 images, and of where its copies go.
#
# Write `honest_split`, which returns the same four things without the leak. A fifth of
# the *images*, drawn at random and unchanged, is for validation. All others are for
# training, each once unchanged and in `copies` changed copies. `augment(images, rng)`
# takes several images and returns a changed copy of each, different at every call.
#
# Then measure how much each of the two splits overstates the accuracy: `too_high` is the
# accuracy on its validation images minus that on fresh images, with its mean and 95%
# interval over the seeds. Both accuracies of a seed belong to the same network.
# `stats.paired_difference(scores, …, between=…)` does this for both splits at once. The
# check compares the numbers to five decimals.

# %% question="5.5"
def honest_split(x, y, copies, augment, rng):
    """Training and validation images without a leak.

    x : (N, D);  y : (N,);  copies : int;  rng : numpy.random.Generator
    augment : function, images (M, D) and rng → changed images (M, D)
    returns x_train, y_train, x_val, y_val
    """
    # BEGIN SOLUTION
    order = rng.permutation(len(x))
    val, train = order[:len(x) // 5], order[len(x) // 5:]
    changed = [augment(x[train], rng) for _ in range(copies)]
    return (np.concatenate([x[train], *changed]),
            np.tile(y[train], 1 + copies), x[val], y[val])
    # END SOLUTION


scores = ...
if honest_split(*own, 4, rotated, np.random.default_rng(0)) is not None:
    scores = xr.concat([leaky, measure(honest_split)],
                       pd.Index(["leaky", "repaired"], name="split"))
# scores has the dimensions split, images and seed.

# BEGIN SOLUTION: too_high
too_high = stats.paired_difference(scores, "images",
                                   between=("fresh", "validation"))
# END SOLUTION

# %% question="5.5" tags=["nbval-check-output"]
from course_utils.checks import data_augmentation as checks

checks.leak(honest_split, scores, too_high)

# %%
if scores is not ...:
    gaps = stats.paired_difference(scores, "images",
                                   between=("fresh", "validation"))
    ax = plots.intervals(
        {split: gaps.sel(split=split) for split in ("leaky", "repaired")},
        neutral=0, xlabel="validation accuracy minus accuracy on fresh images")
    _ = ax.set_title("The leaky split overstates the accuracy")

# %% [markdown]
# A network need not recognize a digit in order to recognize an image that it has seen
# in four copies. The leak does not make the *network* worse; only the reported number
# was wrong. Also note how wide the interval of the repaired split is: it validates on
# 40 images, while the leaky one seemed to have 200.
#
# (With strong transformations, the leak can go unnoticed. Changed validation images are
# harder, and the two mistakes may cancel. That makes neither of them right.)

# %% [markdown]
# ## 5.6 You are the referee
#
# A manuscript arrives. Its figure is below, and its text reads:
#
# > *We trained a network on 100 handwritten digits, split at random into training and
# > validation images, with ten seeds. Then we trained it again with every training
# > image rotated at random by up to 15° in every step. Validation images stayed
# > unchanged. Both networks took the same number of steps with Adam, at the learning
# > rate that was the best of five with augmentation. On its training images, the
# > augmented network was less accurate; on validation images, it was far ahead. The
# > figure shows means over the seeds with their 95% intervals.*
#
# The authors sent us their data. `theirs["without"]` and `theirs["with"]` are the
# splits of the two networks, with `x_train`, `y_train`, `x_val`, and `y_val`. We trained
# both networks on both splits: `rerun` holds validation accuracies, with the dimensions
# `split`, `augment_probability` (0 without, 1 with augmentation), and `seed`.

# %%
from course_utils.experiments.exercises import augmentation_manuscript

theirs = augmentation_manuscript()
rerun = xr.concat([fit_many(
    models.mlp, split, grid={
        "rotation": 15.0, "augment_probability": [0.0, 1.0],
        "seed": range(10), "learning_rate": 0.003, "depth": 2},
    epochs=40, evaluate_every=120, optimizer="adam").val_accuracy.isel(step=-1)
    for split in theirs.values()], pd.Index(list(theirs), name="split"))

# %%
ax = plots.intervals(
    {arm: stats.interval(rerun.sel(split=arm, augment_probability=share))
     for arm, share in {"without": 0.0, "with": 1.0}.items()},
    xlabel="validation accuracy")
_ = ax.set_title("Augmentation always helps")

# %% [markdown]
# Your fellow referees raise these objections. Which of them are right? You can't judge
# all of them from the text: inspect `theirs` in new cells.
#
# - **a.** The two networks neither learned from the same images nor were judged on the
#   same ones.
# - **b.** In the augmented arm, the validation images are rotated as well.
# - **c.** Within an arm, some of the validation images are among the training images.
# - **d.** The ten runs of an arm share one split. Their interval says nothing about
#   other splits.
# - **e.** The learning rate is the one that suits the augmented network. The plain one
#   might do better at another.
# - **f.** The augmented network is less accurate on its training images. So it has
#   learned less well, and its validation accuracy must be a mistake.
# - **g.** The title says *always*. The figure shows one transformation on one data set.
# - **h.** In the same number of steps, the augmented network has seen many more
#   different images. It should have been given fewer steps.
#
# Collect the letters of the valid objections, like `flaws = {"x", "y"}`. Then compute
# what the manuscript should have shown: `same_split` is the accuracy with augmentation
# minus without, both on the *same* split, with its mean and 95% interval over the seeds
# for each split. The check compares the numbers to five decimals.

# %% question="5.6"
# BEGIN SOLUTION: flaws, same_split
for part in ("x_train", "x_val"):
    same = np.array_equal(*(getattr(split, part) for split in theirs.values()))
    print(f"{part} is the same in both arms: {same}")

flaws = {
    "a",  # each arm drew its own split, with easier or harder images
    "d",  # ten seeds scatter around whatever this one split gives
    "e",  # each arm deserves its own tuning
    "g",  # one transformation, one data set, and a claim about all
}
# b: their gray levels are multiples of 1/16, as in all unchanged digits.
# c: no image of x_val is also in x_train.
# f: training accuracy is measured on rotated images, which are harder.
# h: augmentation means that the images differ from step to step.
same_split = stats.paired_difference(rerun, "augment_probability",
                                     between=(0.0, 1.0))
# END SOLUTION

# %% question="5.6" tags=["nbval-check-output"]
from course_utils.checks import data_augmentation as checks

checks.referee(flaws, same_split, rerun)

# %% [markdown]
# How much of the gain is left once both networks have the same images? One split is
# simply easier than the other, both to learn from and to be judged on. (We looked at
# fourteen splits before we chose these two. The authors may have looked at none: drawing
# a new split for each arm is enough.)

# %% [markdown]
# ## Done?
#
# Click the button. If all six lines begin with `✓`, you know what can change in an
# image, where the copies can go, and what a fair comparison needs. (`course check 5` in
# a terminal does the same.)

# %%
progress()

# %% [markdown]
# **Going further.** Give `judge` the glyphs with `vertical_flip` and `shift` together,
# and look at the predictions for *u* and *n* alone. Then look for a transformation of the
# digits that costs nothing on clean images but still gains on shifted ones. Is there one?
