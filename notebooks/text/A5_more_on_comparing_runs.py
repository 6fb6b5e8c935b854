# ---
# jupyter:
#   course:
#     minutes: 30
# ---

# %% [markdown]
# # What else can mislead you?
#
# Lecture 03 covers seeds, pairs, test images, and the number of runs. This appendix has
# four topics that come up less often: many variants, several looks at the same
# experiment, splits that overlap, and exact reproducibility. Read the sections you need;
# each one needs only the code cells before the first heading.
#
# The appendix takes about {{minutes}} minutes. You should have finished lecture 03.

# %%
import keras
import numpy as np
import xarray as xr
from keras import layers

from course_utils import datasets, fit_many, plots, stats

pool = datasets.mnist(seed=0)
x = np.concatenate([pool.x_train, pool.x_val])
x = x.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4))    # 14×14 pixels
y = np.concatenate([pool.y_train, pool.y_val])


# %%
def build():
    return keras.Sequential([
        keras.Input((14, 14, 1)), layers.Flatten(),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(10, activation="softmax")])


def split(rows, train):
    """Train on the first of these images, validate on the rest."""
    return datasets.Split("part of MNIST", x[rows[:train]], y[rows[:train]],
                          x[rows[train:]], y[rows[train:]])


# %% [markdown]
# The first two sections need real runs of the same network, so that every difference is
# luck. We train it 40 times, each time on other images, and subtract each score from
# every other. If we draw from these differences and give them random signs, their true
# mean is zero.

# %%
def drawn(seed):
    return split(np.random.default_rng(seed).permutation(len(x))[:900], train=600)


runs = fit_many(build, drawn, {"learning_rate": 0.1, "seed": range(40)},
                steps=200).isel(step=-1)
points = 100 * runs.val_accuracy.values
differences = np.abs(np.subtract.outer(points, points)[np.triu_indices(40, 1)])
rng = np.random.default_rng(0)


# %%
def equal_networks(**sizes):
    """Differences between runs of the same network, in studies of these sizes."""
    shape = tuple(sizes.values())
    signs = rng.choice([-1, 1], shape)
    return xr.DataArray(signs * rng.choice(differences, shape), dims=tuple(sizes))


# %% [markdown]
# ## Many variants
#
# You try twenty variants of a network and compare each of them with the original, using
# ten pairs of runs. None of them is better or worse. How often do you find at least one
# interval that excludes zero? **Bonferroni's correction** uses a higher level for each
# interval, so that all twenty are correct at the same time in at least 95% of studies.
# `stats.bonferroni_level` computes it.

# %%
variants = equal_networks(study=1000, variant=20, seed=10)
for level in (0.95, stats.bonferroni_level(20)):
    found = stats.interval(variants, level=level)
    excludes_zero = (found.low > 0) | (found.high < 0)
    print(f"level {level:.4f}: {excludes_zero.any('variant').mean():.0%} "
          "of studies find a difference")

# %% [markdown]
# Without the correction, most studies find something that isn't there. The price of the
# correction is wider intervals, so you need more runs. If you can, don't correct for
# twenty variants: use the twenty to choose *one*, and test this one with new seeds. That
# is a single comparison.

# %% [markdown]
# ## Several looks
#
# If you look at the interval after every new seed, you often stop at a difference that
# isn't there (lecture 03). A **sequential design** lets you stop early without this
# mistake: you decide in advance how many times you'll look, and each look uses a wider
# interval. The simplest version treats the looks like variants and uses Bonferroni's
# level. Special boundaries, such as those of Pocock or O'Brien and Fleming, are a little
# narrower.

# %%
studies = equal_networks(study=4000, seed=30)
looks = (6, 12, 18, 24, 30)
for name, level in {"95% at each look": 0.95,
                    "Bonferroni": stats.bonferroni_level(len(looks))}.items():
    excludes_zero = []
    for seeds in looks:
        found = stats.interval(studies.isel(seed=slice(seeds)), level=level)
        excludes_zero.append((found.low > 0) | (found.high < 0))
    print(f"{name}: {np.any(excludes_zero, axis=0).mean():.1%} "
          "of studies find a difference")

# %% [markdown]
# ## Splits that overlap
#
# Often, all the data you have are a few hundred samples. You can split them into training
# and test data many times, but these splits share most of their training images, so the
# scores aren't independent. The plain interval becomes as narrow as you like, although no
# new images come in. Nadeau and Bengio (2003) suggest a wider interval,
# `stats.resampled_interval`. It requires that each split trains on everything that it
# isn't tested on.
#
# We can check both, because we have many more images than we use. We make 16 data sets
# of 250 images each, which have no image in common, and split each of them 25 times.

# %%
order = np.random.default_rng(1).permutation(len(x))[:16 * 250].reshape(16, 250)


def one_of_25(seed):    # seeds 0 to 24 split the first data set, and so on
    return split(np.random.default_rng(seed).permutation(order[seed // 25]), train=200)


runs = fit_many(build, one_of_25, {"learning_rate": 0.1, "seed": range(16 * 25)},
                steps=150).isel(step=-1)
scores = xr.DataArray(100 * runs.val_accuracy.values.reshape(16, 25),
                      dims=("data_set", "split"))

# %% [markdown]
# The vertical line is the mean over all 16 data sets, which is close to the expected
# accuracy of this network after training on 200 images. Each row is one data set. How
# many intervals miss the line?

# %%
expected = float(scores.mean())
intervals = {
    "plain": stats.interval(scores, over="split"),
    "corrected": stats.resampled_interval(scores, over="split", test_share=0.2)}
figure, both = plots.panels(2)
for ax, name in zip(both, intervals, strict=True):
    found = intervals[name]
    ax.hlines(range(16), found.low, found.high, color="C0")
    ax.plot(found["mean"], range(16), "o", color="C0")
    ax.axvline(expected, color="0.3", linestyle="--", marker="")
    missed = int(((found.low > expected) | (found.high < expected)).sum())
    ax.set(xlabel="accuracy (%)", ylabel="data set", yticks=[], xlim=(60, 95),
           title=f"{name.capitalize()}: {missed} of 16 miss the mean")

# %% [markdown]
# The plain intervals are too narrow: several miss the line, although only about one in
# twenty should. None of the corrected intervals misses it; here, they are wider than
# necessary. With more splits, the plain interval would become narrower still. The
# corrected one has a lower limit, and only more data can reduce it.
#
# Which interval you need depends on your claim. For these 250 images and no others, the
# plain one is enough. For new data of the same kind, use the corrected one.

# %% [markdown]
# ## The last bit
#
# The same seed gives the same run only if every sum is computed in the same order. On
# another computer, on a GPU, or with another version of a library, the last bit of a
# number can differ. We imitate this: we train ten networks twice with the same seeds. The
# second time, every pixel that isn't zero is larger by about one part in ten million. How
# far apart are the validation losses of the two runs after each epoch?

# %%
images = drawn(seed=0)
nudged = images.replace(x_train=images.x_train * (1 + np.finfo("float32").eps))
grid = {"learning_rate": [0.1, 1.0], "seed": range(10)}
one, other = (fit_many(build, data, grid, epochs=16).val_loss
              for data in (images, nudged))
apart = np.abs(one - other).mean("seed")
apart = apart.where(apart > 0)    # the axis is logarithmic
ax = plots.axes()
for rate in grid["learning_rate"]:
    ax.semilogy(apart.epoch, apart.sel(learning_rate=rate), label=f"rate {rate}")
ax.set(xlabel="epoch", ylabel="difference of the losses (mean)",
       xticks=(1, 4, 8, 12, 16))
ax.set_title("At the high rate, the last bit changes the run")
_ = ax.legend()

# %% [markdown]
# At the ordinary rate, the difference stays tiny. At the high rate, training amplifies it
# within a few epochs until the losses clearly differ. So even a fixed seed may give another
# run on another computer, above all if training is unstable.

# %% [markdown]
# ## Exactly the same run again
#
# Some operations of TensorFlow add numbers in an order that changes from run to run,
# above all on a GPU. `enable_op_determinism` replaces them with slower versions or raises
# an error if there are none. You have to call it before anything is computed, so the next
# cell starts a new Python process. It trains a network twice in each mode.

# %%
import subprocess
import sys

PROGRAM = """
import sys, time, keras, numpy as np, tensorflow as tf
if sys.argv[1] == "deterministic":
    tf.config.experimental.enable_op_determinism()
x, y, losses, start = np.ones((512, 16, 16, 1)), np.arange(512) % 10, [], time.time()
for _ in range(2):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Conv2D(8, 3), keras.layers.Flatten(),
                              keras.layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    losses.append(model.fit(x, y, epochs=2, verbose=0).history["loss"])
print(losses[0] == losses[1], time.time() - start)"""

# %%
seconds = {}
for mode in ("usual", "deterministic"):
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], check=True,
                          capture_output=True, text=True)
    equal, seconds[mode] = done.stdout.split()[-2:]
    print(f"{mode}: the two runs have the same losses: {equal}")
ratio = float(seconds["deterministic"]) / float(seconds["usual"])

# %% [markdown]
# On the CPU that made this page, both modes repeat a run exactly. On a GPU, the first one
# may not. What determinism costs depends on the network and the machine, so print `ratio`
# on yours, and use a longer training than this one. Use this mode to find a bug or to
# reproduce a run. It doesn't make a finding more reliable: a network that is better only
# with seed 0 isn't better.
#
# **References.** Nadeau & Bengio: *Inference for the generalization error*, Machine
# Learning 2003. Dunn: *Multiple comparisons among means*, JASA 1961. Pocock: *Group
# sequential methods in the design and analysis of clinical trials*, Biometrika 1977.
