# ---
# jupyter:
#   course:
#     minutes: 55
#     exercise: "05"
#     lab: augmentation
# ---

# %% [markdown]
# # Data augmentation: what may change without changing the label?
#
# After this lecture you can
#
# - **say** what an augmentation claims about the world, and **test** that claim;
# - **write** shifts, flips and cutouts in NumPy, and **use** Keras's layers;
# - **choose** between layers in the model and a `tf.data` pipeline, and **say** what
#   each costs;
# - **mix** images with their labels, and **average** answers over several views;
# - **split** before you augment, and **detect** that somebody did not.
#
# You need about {{minutes}} minutes. It builds on lectures 01 (learning curves), 03 and 06
# (two modes). Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# 1. “Data augmentation always helps.”
# 2. “Flips are always safe.”
# 3. “Augmentation is a substitute for data.”
# 4. “Augmentation is free.”
#
# ## Predict first

# %%
from course_utils import quiz

quiz.ask("11", "flips")

# %% [markdown] tags=["instructor"]
# **Ask,** and ask on: who can say *why* without the word “network”? An
# augmentation is a statement about the world. The letters are the easy part;
# keep the class thinking about the digits, for the trial has them too.

# %% [markdown]
# ## The idea
#
# Take an image $x$ with label $y$ and a transformation $T$. If you train on $T(x)$
# with the same $y$, you claim
#
# $$p(y \mid T(x)) = p(y \mid x),$$
#
# the label is *invariant* under $T$; and also that images like $T(x)$ occur. Neither
# is a statement about networks. Both are about the world, and both may be false.
# Three transformations for images of shape $(N, H, W)$:

# %%
import numpy as np


def flipped(images):
    """Mirror images from left to right."""
    return images[:, :, ::-1]


def shifted(images, down, right):
    """Move images by whole pixels, positive or negative; zeros come in."""
    height, width = images.shape[1:]
    wide = np.pad(images, [(0, 0), (abs(down),) * 2, (abs(right),) * 2])
    top, left = abs(down) - down, abs(right) - right
    return wide[:, top:top + height, left:left + width]


# %%
def cut_out(images, side, rng):
    """Blank a square of zeros around a random pixel of each image."""
    count, height, width = images.shape
    row = rng.integers(height, size=(count, 1, 1)) - side // 2
    column = rng.integers(width, size=(count, 1, 1)) - side // 2
    rows, columns = np.ogrid[:height, :width]
    inside = ((rows >= row) & (rows < row + side)
              & (columns >= column) & (columns < column + side))
    return np.where(inside, 0, images)


# %% [markdown]
# Do they do what they should?

# %% tags=["nbval-check-output"]
from course_utils import datasets

digits = datasets.digits(seed=0)
images, rng = digits.x_train.reshape(-1, 8, 8), np.random.default_rng(0)
there_and_back = shifted(shifted(images, 1, -2), -1, 2)
print("two flips are none:", np.array_equal(flipped(flipped(images)), images))
print("shifted back, the middle is as it was:",
      np.array_equal(there_and_back[:, :-1, 2:], images[:, :-1, 2:]))
print("at most 9 pixels are cut out:",
      np.max((cut_out(images + 1, 3, rng) == 0).sum((1, 2))) <= 9)

# %% [markdown]
# In training, numbers are drawn anew for each image in each step. That is what
# `augmented` does, with the same knobs as `fit_many`. Which of these pictures would
# you still label as in the first row?

# %%
from course_utils import augment, plots

one_each = [np.flatnonzero(digits.y_train == n)[0] for n in range(1, 8)]
ways = [{}, {"shift": 2}, {"rotation": 30}, {"horizontal_flip": 1},
        {"cutout": 3}]
rows = [augment(digits.x_train[one_each], seed=1, **how).reshape(-1, 8, 8)
        for how in ways]
_ = plots.images([{f"{n}": image for n, image in enumerate(row, 1)}
                  for row in rows],
                 title="Shifted, rotated, flipped, cut out: still the same?")

# %% [markdown] tags=["instructor"]
# **Let the class label** the pictures row by row, aloud, without looking at
# the top. Where they hesitate, the label has changed or been cut off. Point at
# the shifts: these digits fill their frame. Three minutes, and most of the
# lecture is understood.

# %% [markdown]
# These digits fill their frame: a shift of two pixels cuts off strokes. A flip makes
# of most of them nothing that anybody writes.
#
# ### In Keras
#
# The layers take images of shape (batch, height, width, channels). Color shows best
# what they do; so look at a photograph, at one of its many versions.

# %%
import keras
from keras import layers

photos = {name: photo[:420, :636].reshape(35, 12, 53, 12, 3).mean((1, 3))
          for name, photo in datasets.photographs().items()}
keras.utils.set_random_seed(6)
kinds = {"Flip": layers.RandomFlip("horizontal", seed=0),
         "Translation": layers.RandomTranslation(0.2, 0.2),
         "Rotation": layers.RandomRotation(0.1),
         "Zoom": layers.RandomZoom(0.4),
         "Contrast": layers.RandomContrast(0.8, value_range=(0, 1)),
         "Erasing": layers.RandomErasing(value_range=(0, 1)),
         "RandAugment": layers.RandAugment((0, 1), factor=0.3, seed=4)}

# %%
temple = photos["china"]
views = {"original": temple} | {
    name: np.clip(layer(temple[None], training=True)[0], 0, 1)
    for name, layer in kinds.items()}
rows = [list(views)[:4], list(views)[4:]]
_ = plots.images([{name: views[name] for name in row} for row in rows],
                 title="One temple, eight views: the label stays")

# %% [markdown]
# Read the arguments before you believe them. `RandomRotation(0.1)` is a tenth of a
# *full circle*. What comes in from outside is by default a mirror image
# (`fill_mode="reflect"`); for digits on black say `"constant"`. `RandAugment` draws
# two of eleven operations for each batch (Cubuk et al. 2020).
#
# ### The layer has two modes, and a default you may not expect

# %%
quiz.ask("11", "call")

# %% [markdown] tags=["instructor"]
# **Ask.** Who knows dropout will answer wrongly here: a plain call is
# inference for `Dropout` and training for the augmentation layers. Say the
# rule only after the next cell: write `training=False` whenever you call a
# model yourself.

# %% tags=["nbval-check-output"]
keras.utils.set_random_seed(0)
net = keras.Sequential([
    layers.Input((8, 8, 1)),
    layers.RandomTranslation(0.25, 0.25, fill_mode="constant"),
    layers.Flatten(), layers.Dropout(0.5)])
x = digits.x_val[:4].reshape(-1, 8, 8, 1) + 1
for how, out in {"predict(x)": net.predict(x, verbose=0),
                 "net(x, training=False)": net(x, training=False),
                 "net(x)": net(x)}.items():
    print(f"{how:22} leaves the images alone:",
          np.allclose(out, x.reshape(4, -1)))

# %% [markdown]
# A plain call *augments*, though the `Dropout` beside it is off. So say
# `training=False` whenever you call a model yourself.
#
# A model keeps its layers when it is saved. Nobody who loads it has to know:

# %% tags=["nbval-check-output"]
import pathlib
import tempfile

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "net.keras"
    net.save(path)
    again = keras.models.load_model(path)
print("layers:", [type(layer).__name__ for layer in again.layers])
print("inference leaves images alone:", np.allclose(
    again.predict(x, verbose=0), x.reshape(4, -1)))
print("training changes them:",
      not np.allclose(again(x, training=True), x.reshape(4, -1)))

# %% [markdown]
# ### In the model, or in a pipeline?
#
# | difference | in the model | in `tf.data` |
# |---|---|---|
# | runs | in each training step, on the device | before it, on the CPU, in parallel |
# | validation | untouched, by itself | untouched if *you* do not map it |
# | saved with the model | yes | no |
# | labels can change too (MixUp) | no | yes |
#
# A pipeline of your own: draw, batch, augment, fetch ahead. Does each pass bring new
# images?

# %% tags=["nbval-check-output"]
import tensorflow as tf

shift = layers.RandomTranslation(0.25, 0.25, fill_mode="constant")


def repeats(data):
    return np.array_equal(*([*data.as_numpy_iterator()] for _ in range(2)))


batches = tf.data.Dataset.from_tensor_slices(x).batch(2)
for order, data in {
        "map": batches.map(shift, num_parallel_calls=tf.data.AUTOTUNE),
        "map, cache": batches.map(shift).cache(),
        "cache, map": batches.cache().map(shift)}.items():
    print(f"{order:10} the second pass repeats the first: {repeats(data)}")

# %% [markdown]
# `cache()` *behind* the augmentation freezes it: from the second epoch on the network
# sees the same images again. Cache what is read, then augment.
#
# What does it cost? Measured side by side, for a small network:

# %%
from course_utils.tools import measured

for name in ("layers", "pipeline", "randaugment", "fit_many"):
    print("–", measured.ratio(f"augment_{name}"))

# %% [markdown]
# Mild layers cost little even beside two small convolutions; in a larger network their
# share is smaller still. `RandAugment` computes *all* eleven operations, twice, and
# throws most of them away. And the pipeline was no cheaper: here it shares its cores
# with the training. It pays where the training runs on a device of its own, and the CPU
# would be idle.
#
# **If you find `ImageDataGenerator`** in older code: it survives only under `tf.keras`,
# deprecated.
#
# | there | here |
# |---|---|
# | `rotation_range=36` (degrees) | `RandomRotation(0.1)` (of a circle) |
# | `width_shift_range=0.2` | `RandomTranslation(0, 0.2)` |
# | `zoom_range=0.2` | `RandomZoom(0.2, 0.2)` |
# | `horizontal_flip=True` | `RandomFlip("horizontal")` |
# | `rescale=1 / 255` | `Rescaling(1 / 255)` |
# | `flow_from_directory(…)` | `keras.utils.image_dataset_from_directory(…)` |
#
# ### Mixing images and labels
#
# MixUp (Zhang et al. 2018) draws a share $\lambda$ and a partner:
#
# $$\tilde x = \lambda x_a + (1-\lambda)\,x_b, \qquad
# \tilde y = \lambda y_a + (1-\lambda)\,y_b,$$
#
# with labels as rows of probabilities. CutMix (Yun et al. 2019) pastes a rectangle,
# and $1 - \lambda$ is its share of the area. Both take a dict. Look at the labels.

# %%
keras.utils.set_random_seed(8)
pair = {"images": np.stack([*photos.values()]).astype("float32"),
        "labels": np.eye(2, dtype="float32")}
mixed = {"MixUp": layers.MixUp(alpha=1.0), "CutMix": layers.CutMix()}
shown = dict(photos)
for name, layer in mixed.items():
    out = layer(pair, training=True)
    share = float(out["labels"][0, 0])
    shown[f"{name}: {share:.0%} temple"] = np.array(out["images"][0])
_ = plots.images([shown], title="The label says how much of each is there")

# %% [markdown]
# Cross-entropy is linear in the label, so a mixed label is worth the same as the two
# losses, weighted. Is it so?

# %% tags=["nbval-check-output"]
loss = keras.losses.CategoricalCrossentropy(reduction=None)
answer = np.array([[0.7, 0.2, 0.1]])
first, second = np.eye(3)[:1], np.eye(3)[1:2]
for share in (0.9, 0.5):
    together = loss(share * first + (1 - share) * second, answer)
    apart = share * loss(first, answer) + (1 - share) * loss(second, answer)
    print(f"share {share}: the same loss:", np.allclose(together, apart))

# %% [markdown]
# And if the labels are class numbers? Four images, four labels, as floats:

# %%
numbers = {"images": x, "labels": np.arange(4, dtype="float32")}
print(layers.MixUp(seed=0)(numbers, training=True)["labels"].numpy().round(1))
rows = {"images": x, "labels": keras.utils.to_categorical(np.arange(4))}
print(layers.MixUp(seed=0)(rows, training=True)["labels"].numpy().round(1))

# %% [markdown]
# No error, and a table without meaning: “between class 0 and class 2” is not class 1.
# (Whole numbers do raise an error.) Mended by `to_categorical` and
# `categorical_crossentropy`.
#
# ## The lab
#
# The lab trains ten networks with a transformation and ten without, on digits in the
# middle of a larger canvas. On the left is what they are trained on; on the right is
# their accuracy on four kinds of held-out images. Below the lab are three things to
# try.

# %%
from course_utils import labs

labs.augmentation()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** A shift of one pixel helps on shifted images and costs
# little on clean ones; larger shifts cost more and more, and the largest help less
# than the medium ones. For the flips, set the strength to 1: with half of the images
# flipped, the network recognizes both kinds; with all of them flipped, it recognizes
# only mirror images. With 50 images or 1,000, shifts help a lot on shifted images and
# cost accuracy on clean ones. **Ask** about all four columns before you look: where
# does augmentation help, and where does it cost accuracy?

# %% [markdown]
# ## The trial
#
# ### “Data augmentation always helps”
#
# It should help most where images are few: 100 digits, and the mildest strengths in
# common use. Each arm has the same number of steps and chooses its learning rate from
# the same two, on other seeds. (All seeds share one split; the intervals do not cover
# the luck of other images.) Scored on images as they are. The claim needs a point, by
# shifts of one pixel. Which intervals lie left of zero?

# %%
from course_utils import claims, stats
from course_utils.claims import data_augmentation as trials

always, flips = claims.get("da-always"), claims.get("da-flips")
runs = always.trial(datasets.digits, range(always.seeds))
gains = trials.gained(runs)
_ = plots.intervals(
    {kind: stats.interval(gains.sel(kind=kind)) for kind in gains.kind.values},
    neutral=0, threshold=always.threshold,
    xlabel="accuracy gained, 100 training images",
    title="Centered digits: flips cost, shifts do not pay")
verdicts = [always.judge(runs)]
verdicts[-1]

# %% [markdown] tags=["instructor"]
# **Point at** the interval of the shifts beside the dashed line, and ask what
# these digits have that makes a shift useless: they are all centered. Then
# tell what the ledger says of the same shift on letters that stand off center.
# The transformation is the same, the worlds are not.

# %% [markdown]
# The mildest shift does not pay; on other seeds, in the ledger below, it plainly costs.
# These digits are never off center: the network learns what does not occur, and strokes
# are cut off at the edge besides. Small rotations gain a little. In the ledger the same
# shifts are tried on letters that stand a little off center, and gain very much. The
# transformation is the same; the worlds are not.
#
# ### “Flips are always safe”
#
# The same runs tell, by their flips from left to right. The claim forgives a point.

# %%
verdicts.append(flips.judge(runs))
verdicts[-1]

# %% [markdown]
# And elsewhere? Letters, where a mirrored b is a d (the ledger's second task, by its
# stored result), and patches of texture, where nothing depends on left and right. 100
# training images again.

# %%
glyphs = datasets.glyphs(0)
picked = ["b", "d", "p", "q", "x"]
shown = {letter: glyphs.x_train[glyphs.y_train == datasets.GLYPHS.index(
    letter)][0].reshape(12, 12) for letter in picked}
_ = plots.images([shown, {letter: image[:, ::-1] for letter, image
                          in shown.items()}],
                 title="Mirrored, four of these are other letters")

# %% [markdown] tags=["instructor"]
# **The next figure is the one not to skip.** Ask for the order of its three
# rows, digits, letters, textures, before you show it. Nothing in the code
# differs between them; you have to know what you photographed. **Question:**
# “Can the network not find out by itself?” Not from labels that you have made
# wrong.

# %%
import types

on_textures = trials.gained_by_flips(trials.kinds(
    datasets.textures, range(10), kinds=["none", "flips"]))
_ = plots.intervals(
    {"digits": verdicts[-1],
     "letters": types.SimpleNamespace(**claims.results()[
         "da-flips"]["glyphs"]),
     "textures": stats.interval(on_textures)}, neutral=0,
    threshold=flips.threshold, xlabel="accuracy gained by flips",
    title="The same flip, three worlds")

# %% [markdown]
# On letters it is worse than on digits: there half of the labels of b, d, p and q
# become *wrong*. On textures the same layer gains. Nothing in the layer, the network
# or the training curve tells you which case is yours. You have to know what you
# photographed.
#
# ### “Augmentation is a substitute for data”
#
# The trial above also trained on 400 digits without any augmentation. Against them, 100
# with the kind that was best on the tuning seeds. The claim forgives a point.

# %%
substitute = claims.get("da-substitute")
verdicts.append(substitute.judge(runs))
print("the best kind:", trials.best_kind(runs))
verdicts[-1]

# %% [markdown]
# Not on digits: no kind that was tried makes up for the 300 images that are missing.
# Read the ledger's second task, too: letters, of which 100 shifted ones do better than
# 400 as they are. There the images themselves vary a little in place. Augmentation adds
# what you know to be possible; data add what you did not know.
#
# And where we *know* what may change? Digits at random places on a canvas; in
# training each is put to a new place in every step (`placement=1`).

# %%
quiz.ask("11", "worth")

# %% [markdown] tags=["instructor"]
# **Ask** for a number. “About 200” and “about 400” treat augmentation as a
# little more data. In the figure go from the second point of the upper curve
# to the right until the lower one is as high: it never is. Then say what made
# this possible: here we knew the rule, because we made it.

# %%
from course_utils import fit_many, models

canvas = datasets.canvas_digits(0)
views = np.concatenate([canvas.x_val, *(
    augment(canvas.x_val, step=step, placement=1) for step in range(8))])
steps = 12 * (len(canvas.x_train) // 32)
moved = fit_many(models.mlp, canvas, {
    "placement": [0.0, 1.0], "train_size": [50, 100, 400, 1000],
    "depth": 2, "learning_rate": 0.01, "seed": range(10)}, epochs=12,
    evaluate_every=steps, optimizer="adam", predict=views).isel(step=-1)

# %%
ax = plots.lines(moved.val_accuracy, "train_size", by="placement",
                   labels={0.0: "as they stand", 1.0: "placed anew"},
                   title="A tenth of the images, placed anew, does better")
ax.set_xticks(moved.train_size, moved.train_size.values)
gap = stats.interval(moved.val_accuracy.sel(placement=1, train_size=100)
                     - moved.val_accuracy.sel(placement=0, train_size=1000))
print("100 placed anew, over 1000 as they stand:", *(
    f"{float(part):+.3f}" for part in gap.values()))

# %% [markdown]
# (A mean and its interval.) How many images is augmentation worth? Go from a point of
# the upper curve to the right: for most there is no point of the lower one as high.
# This is the case that makes augmentation famous, and it is a case where we knew the
# rule because we made it. It also has an end: from 100 images on, the upper curve is
# flat, although the last point has ten times as many different digits. Something else
# limits these networks, perhaps their size, the twelve epochs or the one learning rate;
# the figure cannot tell which.
#
# ### “Augmentation is free”

# %%
free = claims.get("da-free")
race = free.trial(datasets.digits, range(free.seeds))
ax = plots.lines(race.val_accuracy, "step", by="rotation",
                   labels={0.0: "plain", 15.0: "rotated by up to 15°"},
                   title="Small rotations: a little later at the goal")
_ = ax.axhline(trials.GOAL, color="0.4", linewidth=1, marker="")
verdicts.append(free.judge(race))
verdicts[-1]

# %% [markdown]
# Here it costs steps. But read on in the ledger: with other seeds the interval
# straddles the threshold, and on letters a mild rotation costs hardly any step. Three
# trials, three verdicts: the cost in steps is real, small, and depends on the task.
# The bill that always comes is the time of each step, as measured above, and one more
# knob to search for (lecture 12).
#
# ## A stream, or a larger set?
#
# You could also enlarge the set once: make some versions of each image, store them,
# and train on these. Here 200 digits stand in 1, 4 or 16 places each; or in a new
# one in every step. All train for as many steps.

# %%
def enlarged(copies):
    """A function seed → Split: 200 digits in so many places, 3200 images."""
    def split(seed):
        some = np.random.default_rng(seed).permutation(len(canvas.y_train))
        x, y = canvas.x_train[some[:200]], canvas.y_train[some[:200]]
        placed = [augment(x, seed=seed, step=step, placement=1)
                  for step in range(copies)]
        return canvas.replace(y_train=np.tile(y, 16), x_train=np.tile(
            np.concatenate(placed), (16 // copies, 1)))
    return split


# %%
import xarray as xr

arms = {"1 place": (1, 0.0), "4 places": (4, 0.0), "16 places": (16, 0.0),
        "a stream": (1, 1.0)}
scores = {name: fit_many(models.mlp, enlarged(copies), {
    "placement": placement, "depth": 2, "learning_rate": 0.01,
    "seed": range(10)}, epochs=3, optimizer="adam").val_accuracy.isel(
        epoch=-1, drop=True) for name, (copies, placement) in arms.items()}
_ = plots.intervals({name: stats.interval(score)
                     for name, score in scores.items()},
                    xlabel="validation accuracy, 200 digits",
                    title="Many fixed places come near a stream")
ahead = stats.interval(scores["a stream"] - scores["16 places"])
print("a stream, over 16 places:", *(
    f"{float(part):+.3f}" for part in ahead.values()))

# %% [markdown]
# The more places each digit has been to, the better. A stream seems a little ahead of
# sixteen, but the interval of the difference, the last line, begins at about zero: ten
# seeds do not settle it. Sixteen cost sixteen times the memory; a stream stores nothing
# and leaves no number of copies to choose. A fixed set pays where an augmentation is
# too slow to be computed in time.
#
# ## Built in, or learned?
#
# A convolution moves its answer along when the image moves; its weights know nothing of
# places. Does a small CNN need shifts less than an MLP? Both train on 400 digits in the
# *middle* of the canvas, as they stand or shifted by up to two pixels, and are asked
# for the four kinds of test images of the lab. (Both for 165 steps, at one learning
# rate, which comes from other seeds.)

# %%
from course_utils.labs.augmentation_lab import VERSIONS, centered, changed


def on_versions(build_model, **network):
    """Accuracy on each kind of test images, dims (shift, seed, version)."""
    data = centered()
    told = fit_many(build_model, data, {
        **network, "shift": [0, 2], "learning_rate": 0.01, "train_size": 400,
        "seed": range(10)}, epochs=5, evaluate_every=5 * 33,
        optimizer="adam", predict=np.concatenate([data.x_val, changed()]))
    hits = told.probability.isel(step=-1).argmax("class").values == np.tile(
        data.y_val, len(VERSIONS))
    return hits.reshape(2, 10, len(VERSIONS), -1).mean(-1)


# %% [markdown] tags=["instructor"]
# **Ask** before you go on: is a CNN not invariant to shifts? Compare the
# second column of the upper rows: a little better, far from good. Convolutions
# move their answer along, the dense layer behind them reads places. **Short of
# time:** leave this out, and test-time augmentation too.

# %%
tables = {"MLP": on_versions(models.mlp, depth=2),
          "CNN": on_versions(models.cnn, filters=[(4, 8)])}
figure, axes = plots.panels(2)
figure.suptitle("A CNN, too, has to be shown the shifts")
for ax, (name, table) in zip(axes, tables.items(), strict=True):
    ax.imshow(table.mean(1), vmin=0, vmax=1, cmap="cividis")
    for (row, column), score in np.ndenumerate(table.mean(1)):
        ax.text(column, row, f"{score:.0%}", ha="center", va="center",
                color="white" if score < 0.6 else "black")
    ax.set(xticks=range(4), yticks=range(2), xticklabels=VERSIONS,
           yticklabels=["as they stand", "shifted"], title=name)
    ax.grid(visible=False)
print("gained by the CNN on shifted images, trained as they stand:", *(
    f"{float(part):.2f}" for part in stats.interval(xr.DataArray(
        (tables["CNN"] - tables["MLP"])[0, :, 1], dims="seed")).values()))

# %% [markdown]
# (A mean and its interval.) Trained as they stand, the CNN does somewhat better on
# shifted digits, and far worse than on clean ones. Its convolutions are *equivariant*,
# but the dense layer behind them reads places; pooling forgives a pixel. Trained with
# shifts, it pays less on clean digits than the MLP, after 165 steps. That does not show
# that a convolution makes shifts cheaper to learn: in the lab an MLP paid far less too,
# with 660 steps. What the figure does show: a convolution does not spare you to show
# them. Rotations and flips are built into neither.
#
# ## At test time
#
# If the label may not change, one can also ask the network about several versions of
# *one* image and average the answers (test-time augmentation). The networks on the
# canvas were asked for each validation image as it stands, and at eight other places.
# What does the mean of nine answers gain, over one?

# %%
answers = np.stack(np.split(moved.probability.sel(
    train_size=100).values, 9, axis=-2))   # (view, ..., image, class)
once, nine = (xr.DataArray(
    (told.argmax(-1) == canvas.y_val).mean(-1), dims=("placement", "seed"))
    for told in (answers[0], answers.mean(0)))
names = ["trained as they stand", "placed anew"]
for arm, name in enumerate(names):
    told = [float(way.isel(placement=arm).mean()) for way in (once, nine)]
    print(f"{name:22} one view {told[0]:.2f}, nine views {told[1]:.2f}")
_ = plots.intervals(
    {name: stats.interval((nine - once).isel(placement=arm))
     for arm, name in enumerate(names)},
    neutral=0, xlabel="accuracy gained by the mean of nine views",
    title="Nine views are better than one, for both")

# %% [markdown]
# Both gain, and the network that was *not* trained on all places gains more: somewhere
# among nine places there is one it knows, and it is surest there. But it does not get
# where the other one begins. Averaging late mends a part of what training left out, and
# the price is nine predictions for one, at *every* inference. Average only over what
# leaves the label alone, and say in your report that you did.
#
# ## What goes wrong
#
# **“I augmented, then I split.”** 250 digits, four versions of each (a shift of one
# pixel, some noise), shuffled, and a fifth of them held out. Against: split first,
# augment what trains. How much better than on fresh images does validation look?

# %%
def held_out(leak):
    """A function seed → Split: 250 digits, augmented before or after."""
    def split(seed):
        data, rng = centered(), np.random.default_rng(seed)
        some = rng.permutation(len(data.y_train))[:250]
        four = np.concatenate([augment(
            data.x_train[some], seed=seed, step=step, shift=1,
            pixel_noise=0.05) for step in range(4)])
        fifth = np.arange(1000) % 250 >= 200   # all versions of 50 digits
        if leak:
            rng.shuffle(fifth)
        y = np.tile(data.y_train[some], 4)
        return data.replace(x_train=four[~fifth], y_train=y[~fifth],
                            x_val=four[fifth], y_val=y[fifth])
    return split


# %%
fresh = augment(centered().x_val, shift=1, pixel_noise=0.05)
promised = {}
for name, leak in {"augmented, then split": True,
                   "split, then augmented": False}.items():
    told = fit_many(models.mlp, held_out(leak), {
        "depth": 2, "learning_rate": 0.01, "seed": range(10)}, epochs=15,
        optimizer="adam", predict=fresh).isel(epoch=-1)
    hits = told.probability.argmax("class") == xr.DataArray(
        centered().y_val, dims="point")
    promised[name] = stats.interval(told.val_accuracy - hits.mean("point"))
_ = plots.intervals(promised, neutral=0,
                    xlabel="accuracy in validation minus on fresh images",
                    title="Near-copies of training images flatter the score")

# %% [markdown] tags=["instructor"]
# **Ask** what is wrong with “augmented, shuffled, split”. Then the two rows:
# only one promises too much. The next figure shows how to find it in somebody
# else's data. Add the cases from nature: frames of a film, slices of a
# patient. **Homework:** 5.1 and 5.4 for all, 5.5 for those who work with
# images, 5.6 to end with.

# %% [markdown]
# The network has seen the held-out digits, one pixel further to the left. How would
# you find out in somebody else's data? Look for each validation image's nearest
# training image *under the transformations*, here all shifts by up to two pixels; and
# compare with images that are certainly new.

# %%
from scipy.spatial.distance import cdist


def nearest(x, train):
    """Distance of each image to the nearest training image, if shifted."""
    moves = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    return np.min([cdist(shifted(x.reshape(-1, 12, 12), *move).reshape(
        len(x), -1), train).min(1) for move in moves], axis=0)


# %%
ax = plots.axes()
for name, leak in {"augmented, then split": True,
                   "split, then augmented": False}.items():
    split = held_out(leak)(0)
    new = nearest(fresh, split.x_train)
    near = nearest(split.x_val, split.x_train)
    ax.hist(near, np.linspace(0, 3, 61), alpha=0.6, label=name)
    print(f"{name}: {np.mean(near < np.quantile(new, 0.01)):.0%} nearer than "
          f"99 % of the new images")
ax.set(xlabel="distance to the nearest training image", ylabel="images",
       title="Copies lie nearer than new digits")
_ = ax.legend()

# %% [markdown]
# Mended by splitting the *originals*, before anything is made of them. The same holds
# for frames of one film, slices of one patient, photographs of one afternoon: nature
# augments too.
#
# **“RandAugment ruined my images.”** Layers that touch brightness have a
# `value_range`, by default 0 to 255. Our photographs go from 0 to 1:

# %%
keras.utils.set_random_seed(1)
ranges = {"0 to 255, the default": {}, "0 to 1": {"value_range": (0, 1)}}
for name, given in ranges.items():
    for layer in (layers.RandAugment(**given),
                  layers.RandomErasing((1, 1), **given),
                  layers.RandomBrightness(0.3, **given)):
        out = np.array(layer(temple[None], training=True))
        print(f"value_range {name:22} {type(layer).__name__:17} "
              f"values from {out.min():5.1f} to {out.max():5.1f}")

# %% [markdown]
# A network that expects 0 to 1 gets noise, or one flat color. Mended by naming the
# range, and by *looking* at a batch before training.
#
# **“My validation score jumps about.”** Then look whether the pipeline that augments
# is also that of the validation data. In `tf.data` a layer that is mapped always
# augments, and a score on images that change is another score each time. Mended by
# mapping the training data alone.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    if verdict.claim.key == "da-substitute":   # the others are closer
        print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: an augmentation is a claim about the world, and can pay where it is true
# and the data do not show it already; it must come after the split and stay out of
# validation; under MixUp the labels change too. You may not say that it always helps,
# that a flip is harmless, or that it replaces data, before you have looked at the
# images and measured. Nor that it is free: it costs steps, and time in each step.
#
# **Where to go next.** Lecture 12 searches for strengths, like all other
# hyperparameters, without fooling itself. Exercise {{exercise}} belongs to this lecture.
#
# **References.**
#
# - P. Y. Simard, D. Steinkraus, J. C. Platt: *Best practices for convolutional
#   neural networks applied to visual document analysis*, ICDAR 2003.
# - T. DeVries, G. W. Taylor: *Improved regularization of convolutional neural
#   networks with cutout*, arXiv 1708.04552, 2017.
# - H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz: *mixup: beyond empirical risk
#   minimization*, ICLR 2018.
# - S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo: *CutMix: regularization
#   strategy to train strong classifiers with localizable features*, ICCV 2019.
# - E. D. Cubuk, B. Zoph, J. Shlens, Q. V. Le: *RandAugment: practical automated
#   data augmentation with a reduced search space*, CVPR Workshops 2020.
# - Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang: *Random erasing data augmentation*,
#   AAAI 2020.
# - C. Shorten, T. M. Khoshgoftaar: *A survey on image data augmentation for deep
#   learning*, Journal of Big Data 6, 2019.
