# ---
# jupyter:
#   course:
#     minutes: 60
#     exercise: "01"
#     lab: seeds
#     problem: https://datascience.stackexchange.com/q/94723
# ---

# %% [markdown]
# # Better or lucky: how many runs?
#
# *I changed a detail of my network, and the accuracy went up a little. How large does
# the gain have to be before I can say that the new network is better? Each training
# takes days, so I can't repeat it many times.* In this lecture, you'll learn to answer
# this question for your own networks, even with only a few runs.

# %% [markdown]
# By the end, you'll be able to:
#
# - measure how much the score changes from one run to the next, and why;
# - compute the interval of a difference between two networks;
# - plan how many runs you need;
# - say what three expensive runs can tell you, and what they can't.
#
# The lecture takes about {{minutes}} minutes. You should know how to build and fit a
# small network in Keras.
#
# ## Make a guess first

# %%
from course_utils import quiz

quiz.ask("03", "same_twice")

# %% [markdown] tags=["instructor"]
# **Take a vote,** and write the counts on the board. The histogram in the second
# section answers the question. **People ask** what exactly differs between the two
# trainings. Answer: the initial weights and the order of the images, and nothing else.
# Next, we train one network several times in plain Keras.

# %% [markdown]
# ## A loop over seeds
#
# A **seed** fixes the initial weights, the order of the images, and every other random
# choice during training. We train the same network with the seeds 0, 1, and 2, and then
# with seed 0 once more. The data are 1,350 training and 450 validation images from
# MNIST, shrunk to 14×14 pixels. `small_mnist(seed)` draws these images at
# random, so each seed gives another **split**. The loop needs only Keras and NumPy; copy
# it for your own network.

# %%
import keras
import numpy as np
from keras import layers

from course_utils import datasets


def shrink(images):
    return images.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4))


def small_mnist(seed):
    split = datasets.mnist(seed, samples=1800)
    return split.replace(x_train=shrink(split.x_train), x_val=shrink(split.x_val))


# %%
mnist = small_mnist(seed=0)


def build(width):
    return keras.Sequential([
        keras.Input((14, 14, 1)), layers.Flatten(),
        layers.Dense(width, activation="relu"),
        layers.Dense(width, activation="relu"),
        layers.Dense(10, activation="softmax")])


# %%
scores = []
for seed in (0, 1, 2, 0):
    keras.utils.set_random_seed(seed)
    model = build(width=32)
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    model.fit(mnist.x_train, mnist.y_train, epochs=12, verbose=0)
    _, accuracy = model.evaluate(mnist.x_val, mnist.y_val, verbose=0)
    scores.append(100 * accuracy)
    print(f"seed {seed}: {accuracy:.1%}")
print(f"standard deviation: {np.std(scores[:3], ddof=1):.1f} points")

# %% [markdown]
# The same seed gives the same run, at least on the same machine with the same versions
# of the libraries. Another seed gives a different run, and neither of them is the
# correct one. So a seed lets you repeat a *run*. To find out whether your *finding* can
# be repeated, you need other seeds.

# %% [markdown] tags=["instructor"]
# **Point at** the two lines for seed 0. **People ask** which seed they should use. Any
# of them, as long as they don't choose it by its score. On a GPU, the two lines can
# differ; appendix A5 says what to do about it. Next, we need many more runs, so
# `fit_many` takes over.

# %% [markdown]
# ## Three sources of luck
#
# A score depends on three kinds of luck: the initial weights and the order of the
# images, which images the network is trained on, and which images it is tested on. To
# separate them, we train two networks, with 32 and 64 units per layer, 20 times each:
# first on the same split, and then with a new split for each seed. The course's helper
# `fit_many` trains all these networks at the same time. With `predict`, it also records
# their answers for 1,000 test images. (We don't use the test set to choose anything, so
# we may look at it.)

# %%
import xarray as xr

from course_utils import fit_many

x_test, y_test = mnist.open_test()
order = np.random.default_rng(0).permutation(len(x_test))
x_test, y_test = shrink(x_test[order]), y_test[order]
grid = {"width": [32, 64], "learning_rate": 0.1, "seed": range(20)}
same_split, new_splits = (
    fit_many(build, data, grid, steps=450, predict=x_test).isel(step=-1)
    for data in (mnist, small_mnist))
labels = xr.DataArray(y_test, dims="point")
correct, correct_new = (
    1.0 * (runs.probability.argmax("class") == labels)
    for runs in (same_split, new_splits))

# %% [markdown]
# `correct` and `correct_new` say which test images each run classified correctly. In the
# next figure, each dot is one run of the smaller network, scored on 450 images. Each row
# adds one more source of luck. Which one matters most?

# %%
from course_utils import plots

rows = {"weights, order": correct.isel(point=slice(450)).mean("point"),
        "+ training images": correct_new.isel(point=slice(450)).mean("point"),
        "+ test images": new_splits.val_accuracy}
ax = plots.axes()
for row, (name, score) in enumerate(rows.items()):
    points = 100 * score.sel(width=32)
    ax.plot(points, np.full(points.size, row), "o", color="C0", alpha=0.5)
    print(f"{name}: standard deviation {points.std(ddof=1):.1f} points")
ax.set(yticks=range(3), yticklabels=rows, ylim=(2.5, -0.5),
       xlabel="accuracy (%)")
_ = ax.set_title("The same network scores points higher or lower")

# %% [markdown]
# The seed alone moves the score by points. Other training images add little here; other
# test images add more. (With 20 runs each, the first two rows can't be distinguished.)
#
# Now back to the guess. We compare every pair of runs in the first row, this time on all
# 1,000 test images. This is an **A/A comparison**: both networks are the same, so every
# difference is luck.

# %%
narrow = 100 * correct.sel(width=32).mean("point").values
first, second = np.triu_indices(len(narrow), k=1)
apart = np.abs(narrow[first] - narrow[second])
ax = plots.axes()
ax.hist(apart, bins=np.arange(0, apart.max() + 0.5, 0.5) - 0.05,
        weights=np.full(apart.size, 1 / apart.size))
ax.set(xlabel="difference between two runs (points)", ylabel="share of pairs")
_ = ax.set_title("Two runs of the same network often differ by a point")
print(f"half a point or more: {np.mean(apart > 0.49):.0%} of pairs")

# %% [markdown] tags=["instructor"]
# **Go back to the vote.** Then ask which of the dots is *the* accuracy of the network.
# None of them is: each dot is one draw. **People ask** whether a larger test set would
# help. It helps with the last row only; the next section says how much. **Short of
# time?** Show the first figure and skip the histogram.

# %% [markdown]
# ## How precise is a test set?
#
# If a network classifies a share $p$ of all images correctly, its score on $n$ test
# images has a standard error of about $\sqrt{p(1-p)/n}$, the **binomial error**. We
# check this formula on groups of 50 test images and then use it: the 95% interval
# extends about two standard errors to each side.

# %%
import pandas as pd

p = float(correct.sel(width=32).mean())
groups = correct.sel(width=32).values.reshape(20, 20, 50).mean(axis=2)
print(f"groups of 50: measured {100 * groups.std(axis=1, ddof=1).mean():.1f}, "
      f"formula {100 * np.sqrt(p * (1 - p) / 50):.1f} points")
images = np.array([100, 450, 1000, 10_000])
error = 100 * np.sqrt(p * (1 - p) / images)
pd.DataFrame({"test images": images, "± points (95%)": (1.96 * error).round(1)})

# %% [markdown]
# With a few hundred test images, a score is uncertain by more than a point, however
# often you train. A *difference* is more precise if both networks are tested on the same
# images, because only the images on which they disagree count. A **paired bootstrap**
# draws the images again and again, with replacement, and computes the difference each
# time.

# %%
from scipy.stats import binomtest

difference = (correct.sel(width=64) - correct.sel(width=32)).sel(seed=0).values
gained, lost = int(np.sum(difference > 0)), int(np.sum(difference < 0))
rng = np.random.default_rng(0)
again = 100 * rng.choice(difference, (2000, difference.size)).mean(axis=1)
low, high = np.quantile(again, [0.025, 0.975])
print(f"only the wider network is right: {gained}; only the other one: {lost}")
print(f"difference {100 * difference.mean():+.1f} points [{low:+.1f}, {high:+.1f}]")
print(f"McNemar's test: p = {binomtest(gained, gained + lost).pvalue:.3f}")

# %% [markdown]
# **McNemar's test** asks whether so uneven a division of the disagreements would be likely
# if both networks were equally good.
#
# Both methods compare these two *trained networks*. They ignore that another seed would
# have given other networks. How often does such an interval exclude zero for two runs of
# the *same* network?

# %%
for images in (100, 1000):
    answers = correct.sel(width=32).values.reshape(20, -1, images)
    change = answers[first] - answers[second]
    limit = 1.96 * change.std(axis=-1) / np.sqrt(images)
    found = np.abs(change.mean(axis=-1)) > limit
    print(f"{images} test images: {found.mean():.0%} of comparisons")

# %% [markdown]
# With 1,000 test images, the interval excludes zero in about a quarter of the
# comparisons, instead of one in twenty. Most of these differences are real, but the seed
# caused them. With 100 images, most of them are too small to be noticed.
#
# So use the test images to choose between two trained networks. To compare two *recipes*
# for training, you need several runs of each.

# %% [markdown] tags=["instructor"]
# **Ask** first what the share should be. This is the most surprising
# result of the lecture: more test images make the mistake *more* frequent, because they
# detect real differences between two trained networks, and the seed has caused those.
# **People ask** whether McNemar's test is wrong, then. It isn't; it answers a different
# question. Next, we compare recipes.

# %% [markdown]
# ## Pairs of runs
#
# Train both networks with the same $n$ seeds and splits, and subtract the scores seed by
# seed. If $\bar d$ is the mean of the differences and $s$ is their standard deviation,
# the 95% interval is $\bar d \pm t\,s/\sqrt n$, where $t$ comes from Student's
# distribution and is close to 2 unless $n$ is small. Whatever both runs share cancels. If
# you ignore the pairs, it doesn't. Compare the two intervals.

# %%
from course_utils import stats

points = 100 * new_splits.val_accuracy
compared = {
    "unpaired": stats.unpaired_difference(points, "width", between=(32, 64)),
    "paired": stats.paired_difference(points, "width", between=(32, 64))}
_ = plots.intervals(compared, neutral=0, xlabel="accuracy gained (points)",
                    title="The same runs say more as pairs")

# %% [markdown] tags=["instructor"]
# **Ask** what the two runs of a pair have in common: the training images, the
# validation images, and the order of the images. **People ask** whether runs have to be
# independent. The *pairs* have to be; the two runs of a pair don't. Another frequent
# mistake: “Their error bars overlap, so there is no difference.” Look at the interval of
# the difference instead. Next comes a measured claim.

# %% [markdown]
# Both intervals come from the same runs, but the paired one is about half as wide.
#
# ## What a verdict means
#
# Many people run both networks once, with the same seed, and say that the one ahead is
# better. How often is the wider one ahead? We measured this on six data sets. The claim
# holds if it's ahead in at least 95% of all pairs (dashed); one half is a coin toss.

# %%
from course_utils import claims

_ = claims.forest("bl-one-run")

# %% [markdown]
# The whole interval decides, not the dot. The claim **holds** if the interval is above
# the threshold, **holds in part** if it's between the neutral value (here, one half) and
# the threshold, and **reverses** if it's below the neutral value. If it's below the
# threshold and includes the neutral value, the claim **does not hold**. If it contains
# the threshold, the effect is **at the threshold**, or, if the interval is wide, there
# are **not enough runs**. All this is [decided in
# advance](../course_utils/claims/PROTOCOL.md).
#
# On both sets of digits, a single pair would often mislead you. On the emoji and the
# tumors, we can't even rule out a coin toss.

# %% [markdown] tags=["instructor"]
# **A game:** cover the words on the left and let the class name the verdict of each row.
# **People ask** whether “not enough runs” means that there is no effect. No: it says
# that the interval is too wide. Next, we find out how many runs would be enough.

# %% [markdown]
# ## How many runs?
#
# Decide before you start. You need two numbers: the smallest difference that matters to
# you, and the standard deviation of one difference. The second comes from a **pilot** of
# ten or twenty pairs, such as ours, whose seeds you don't use again. `stats.seeds_needed`
# then says how many pairs you need for a **power** of 80%, so that four of five such
# experiments detect the difference.

# %%
gains = points.sel(width=64) - points.sel(width=32)
pair_sd = float(gains.std("seed", ddof=1))
run_sd = float(np.sqrt(points.var("seed", ddof=1).mean()))
effects = [2, 1, 0.5, 0.25]
pd.DataFrame({
    "difference (points)": effects,
    "pairs": [stats.seeds_needed(effect, pair_sd) for effect in effects],
    "unpaired runs of each": [stats.seeds_needed(effect, run_sd, paired=False)
                              for effect in effects]})

# %% [markdown]
# Half the difference takes about four times as many runs. If the last row is more than
# you can afford, claim nothing about a quarter of a point.
#
# ## The lab
#
# The lab uses real runs of two networks, but you choose their true difference. On the
# left are thirty experiments; the dashed line is the true difference. On the right, you
# see how the results of a thousand experiments depend on the number of seeds.

# %%
from course_utils import labs

labs.seeds()

# %% [markdown] tags=["instructor"]
# **Let the class move the controls,** one volunteer for each task. If the networks share
# their seeds, about half as many seeds are enough. At a true difference of zero, about
# one interval in twenty is orange, whatever the number of seeds; if experiments stop
# early, more and more are. **People ask** why most intervals are gray. A few seeds rarely
# find a small difference.

# %% [markdown]
# ## Stopping when it looks good
#
# What happens if you add runs until the result looks good?

# %%
quiz.ask("03", "peek")

# %% [markdown] tags=["instructor"]
# **Wait for** “One time in twenty, because it's a 95% interval.” That is true for one
# look, at a number of seeds that was fixed. **People ask** what they should do if the
# planned runs aren't enough. Report that, and start a new experiment with new seeds.
# **Homework:** 1.3, 1.4, 1.7.

# %% [markdown]
# We simulate this with differences between real runs of the *same* network. They get
# random signs, so the true difference is zero. Where does each curve end?

# %%
signs = rng.choice([-1, 1], (2000, 30))
equal = xr.DataArray(signs * rng.choice(apart, signs.shape), dims=("study", "seed"))
counts, excluded = range(3, 31), []
for count in counts:
    interval = stats.interval(equal.isel(seed=slice(count)))
    excluded.append((interval.low > 0) | (interval.high < 0))
ax = plots.axes()
ax.plot(counts, np.maximum.accumulate(excluded).mean(axis=1), marker="",
        label="looks after every seed")
ax.plot(counts, np.mean(excluded, axis=1), marker="", label="looks once")
ax.legend()
_ = ax.set(xlabel="seeds", ylabel="share that finds a difference", ylim=(0, None),
           title="If you look often, you find what isn't there")

# %% [markdown]
# After one look, about one study in twenty finds a difference; after many looks, several
# times as many do. **Fix:** plan the number of runs in advance, or use a *sequential
# design*, whose intervals allow for several looks. The same happens if you compare twenty
# variants. Appendix A5 corrects for both.
#
# ## Three runs of three hours
#
# Suppose that each run takes three hours, so you can afford only three pairs. We have
# enough pairs to repeat this experiment six times. The next figure shows an interval over
# the 1,000 test images for each experiment and an interval over its three seeds. Which of
# the two would you report?

# %%
difference = 100 * (correct.sel(width=64) - correct.sel(width=32))
figure, (left, right) = plots.panels(2)
for number in range(1, 7):
    three = difference.isel(seed=slice(3 * number - 3, 3 * number))
    for ax, interval in (
            (left, stats.interval(three.mean("seed"), over="point")),
            (right, stats.interval(three.mean("point"), over="seed"))):
        ax.plot([interval.low, interval.high], [number] * 2, "|-", color="C0")
for ax in (left, right):
    ax.axvline(0, color="0.4", linewidth=1, marker="", linestyle="-")
    ax.set(xlim=(-4.5, 5), ylim=(6.5, 0.5), ylabel="experiment",
           xlabel="accuracy gained (points)")
left.set_title("Over images, the widths are similar …")
_ = right.set_title("… over three seeds, they aren't")

# %% [markdown]
# The intervals over images describe the six trained networks of an experiment. A claim
# about the two recipes needs the interval over seeds. With three pairs, its width is
# largely luck: report it, but don't trust a narrow one more than a wide one.
#
# What could three pairs have detected? The next table has the smallest difference for a
# power of 80%. Three pairs say little about the standard deviation (SD), so $t$ is
# large. If you know the SD from earlier runs of similar networks, use the last column.

# %%
accuracy = 100 * correct.mean("point")
seed_sd = float((accuracy.sel(width=64) - accuracy.sel(width=32)).std(ddof=1))
differences = np.arange(0.1, 10, 0.1)
rows = []
for pairs in (3, 5, 10, 20):
    smallest = next(effect for effect in differences
                    if stats.seeds_needed(effect, seed_sd) <= pairs)
    rows.append([pairs, round(smallest, 1),
                 round(2.8 * seed_sd / np.sqrt(pairs), 1)])
pd.DataFrame(rows, columns=["pairs", "detectable (points)", "if the SD is known"])

# %% [markdown] tags=["instructor"]
# **Let each group write** one sentence that experiment 1 supports, and compare the
# sentences. **People ask** whether three runs are worthless. No: they can rule out large
# differences, and with a known standard deviation they say more. Also ask what a
# cheaper pilot could be: fewer epochs, fewer images, or a smaller network. It works only
# if the standard deviation is similar. Next comes a recipe for their own networks.

# %% [markdown]
# Three pairs detect only a difference of more than two points, or half of that if you
# know the standard deviation. More test images make each score more precise, but they
# don't replace seeds.
#
# ## On your own network
#
# The next cell needs only Keras, NumPy, and SciPy. Replace what is marked `yours`.

# %%
from scipy.stats import sem, t

versions = {"A": lambda: build(32), "B": lambda: build(64)}          # yours
accuracy = {"A": [], "B": []}
for seed in range(3):
    for name, build_version in versions.items():
        keras.utils.set_random_seed(seed)
        model = build_version()
        model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
                      loss="sparse_categorical_crossentropy")
        model.fit(mnist.x_train, mnist.y_train, epochs=6, verbose=0)   # yours
        _, score = model.evaluate(mnist.x_val, mnist.y_val, verbose=0)  # yours
        accuracy[name].append(score)
gain = 100 * (np.array(accuracy["B"]) - accuracy["A"])
low, high = t.interval(0.95, len(gain) - 1, gain.mean(), sem(gain))
print(f"B - A: {gain.mean():+.1f} points [{low:+.1f}, {high:+.1f}]")

# %% [markdown]
# **Two common mistakes:** the model is built *before* the loop, so each "run" continues
# the training of the previous one. Or the *best* of several seeds is compared with a
# single run; in the last line, both are the same network. **Fix:** build a new model
# for each seed, train both versions equally often, and compare means.

# %%
for where in ("before the loop", "in the loop"):
    model, scores = None, []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        if where == "in the loop" or model is None:
            model = build(32)
            model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
                          loss="sparse_categorical_crossentropy")
        model.fit(mnist.x_train, mnist.y_train, epochs=2, verbose=0)
        scores.append(model.evaluate(mnist.x_val, mnist.y_val, verbose=0)[1])
    print(f"built {where}:", *[f"{score:.1%}" for score in scores])
ten, single = rng.choice(narrow, (2000, 10)), rng.choice(narrow, 2000)
print(f"best of ten leads by {np.mean(ten.max(axis=1) - single):.1f} points, "
      f"mean of ten by {abs(np.mean(ten.mean(axis=1) - single)):.1f}")

# %% [markdown]
# ## What to remember
#
# - One run is one draw. Vary the seed and the split, and pair the runs.
# - Report the interval of the difference, and decide on the number of runs in advance.
# - Test images compare two trained networks; seeds compare two recipes.
# - Three runs can only detect a large difference. Say how large.
#
# **Next:** [Lecture 04](04_normalizing_inputs.ipynb) is about the inputs of a network. In
# exercise {{exercise}}, you'll judge a report. Appendix
# [A5](A5_more_on_comparing_runs.ipynb) covers many variants, overlapping splits, and
# exact reproducibility.
#
# **References.** Dietterich: *Approximate statistical tests for comparing supervised
# classification learning algorithms*, Neural Computation 1998. Bouthillier et al.:
# *Accounting for variance in machine learning benchmarks*, MLSys 2021.
