# ---
# jupyter:
#   course:
#     minutes: 60
#     exercise: "01"
#     lab: learning_curve
#     problem: https://ai.stackexchange.com/questions/13657/if-the-accuracy-of-my-current-model-is-low-50-and-we-want-to-minimize-tim
# ---

# %% [markdown]
# # Learning curves: more data or a better model?
#
# *I have 4,000 labeled samples, and my classifier gets half of them wrong. Should I
# label more data, or should I try another model?* Labels cost money, and a new model
# costs weeks. In this lecture, you'll learn to measure which of the two will help
# before you pay for it.

# %% [markdown]
# By the end, you'll be able to:
#
# - draw a learning curve for your own network;
# - tell a network that needs more data from one that needs to be larger, and both from
#   a task whose inputs don't contain the answer;
# - predict what doubling the data will gain, and test whether to trust the prediction;
# - split data in a way that doesn't fool you.
#
# The lecture takes about {{minutes}} minutes. You should know how to build and fit a
# small network in Keras.
#
# ## Make a guess first

# %%
from course_utils import quiz

quiz.ask("01", "which_network")

# %% [markdown] tags=["instructor"]
# **Take a vote,** and write the counts on the board. The section “Three networks” gives
# the answer. **People ask** how many samples a network needs. Nobody can say in
# general, which is why we measure.

# %% [markdown]
# ## A learning curve
#
# A learning curve shows how well a network does with different amounts of training
# data. Three rules make its points comparable. The subsets are *random* and *nested*:
# the first 64 images are among the first 1,024. The *validation images are always the
# same*. And every size gets the *same number of steps*: here, 300 batches of 32 images,
# so small subsets are repeated. This is plain Keras, except for the function
# that loads handwritten digits from MNIST.

# %%
import keras
import numpy as np
from keras import layers

from course_utils import datasets

mnist = datasets.mnist(seed=0)
order = np.random.default_rng(0).permutation(len(mnist.x_train))


def build():
    return keras.Sequential([
        keras.Input((28, 28, 1)), layers.Flatten(),
        layers.Dense(32, activation="relu"), layers.Dense(32, activation="relu"),
        layers.Dense(10, activation="softmax")])


# %%
for n in (64, 1024):
    subset = order[:n]
    rows = np.resize(subset, 300 * 32)     # repeats the subset
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.SGD(0.2), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    model.fit(mnist.x_train[rows], mnist.y_train[rows], verbose=0)
    _, training = model.evaluate(mnist.x_train[subset],
                                 mnist.y_train[subset], verbose=0)
    _, validation = model.evaluate(mnist.x_val, mnist.y_val, verbose=0)
    print(f"{n:5} images: training {training:.1%}, validation {validation:.1%}")

# %% [markdown]
# That is one run of each size. Another seed would draw other images and other initial
# weights. The course's helper `fit_many` trains ten networks of each size at the same
# time; `train_size` draws nested subsets. In the figure, look at where each line ends,
# at the gap between the lines, and at the slope on the right. The dashed line is our
# target, 95%.

# %%
from course_utils import fit_many, models, plots

SIZES = [32, 64, 128, 256, 512, 1024, 2048]
grid = {"learning_rate": 0.2, "train_size": SIZES, "seed": range(10)}
network = fit_many(build, mnist, grid, steps=300, evaluate_every=30)
TARGET = 0.95
_ = plots.learning_curve(network, target=TARGET,
                         title="The gap shrinks as the training set grows")

# %% [markdown]
# The network memorizes its training images at almost every size, so it is large enough.
# Its mistakes are on images that it has not seen. Validation accuracy rises
# with the training set, but more and more slowly.
#
# Bands are 95% intervals for the mean of ten runs. All runs are tested on the same
# 1,000 images, so the bands don't include the luck of drawing those images. Lecture 03
# measures it.

# %% [markdown] tags=["instructor"]
# **Before you show the figure,** ask about the upper line: how well does a network do
# on the 32 images that it was trained on? Then point to three things, always in this
# order: the training line, the gap, and the slope at the right end. **People ask** why
# the training line drops at the end: with 2,048 images, 300 steps are
# less than five epochs, and some images have not been learned yet. Next come two networks with other
# problems.

# %% [markdown]
# ## Three networks
#
# Now we add two networks. One is too small, with four hidden units. The other sees only
# two numbers for each image: the mean brightness of its upper half and of its lower
# half. Compare the training lines with the target first.

# %%
from course_utils.claims.learning_curves import halves

small = fit_many(models.mlp, mnist, grid | {"depth": 1, "width": 4},
                 steps=300, evaluate_every=30)
two_numbers = halves(datasets.mnist)(seed=0)
blind = fit_many(models.mlp, two_numbers, grid | {"depth": 2, "width": 32},
                 steps=600, evaluate_every=60)

# %%
figure, axes = plots.panels(3)
networks = {"Large enough for the target": network, "Too small for the target": small,
            "Inputs without the answer": blind}
for ax, (title, runs) in zip(axes, networks.items(), strict=True):
    plots.learning_curve(runs, target=TARGET, title=title, ax=ax)
    ax.set_ylim(0, 1.02)

# %% [markdown] tags=["instructor"]
# **Don't skip this figure.** Cover the titles, and let the class say what is wrong in
# each panel. **People ask** how the middle and right panels differ, since both lines
# end below the target. The curves alone don't say. The next cell tries the two
# remedies: twice as many images and a larger network.

# %% [markdown]
# On the left, the training accuracy is nearly always above the target, so the network
# is large enough (**high variance**). In the other panels, it ends below the target,
# and more data won't raise it. If training went well, either the network is too small
# (**high bias**), or the inputs don't contain the answer (**irreducible error**).
#
# Two experiments tell us which. With 512 images, how much does each network gain from
# twice as many images, and how much from 64 units in two layers?

# %%
import pandas as pd

from course_utils import formatting, stats

larger = {"depth": 2, "width": 64, "train_size": 512}
rows = {}
for (title, runs), data in zip(networks.items(), (mnist, mnist, two_numbers),
                               strict=True):
    wide = fit_many(models.mlp, data, grid | larger, steps=int(runs.step[-1]))
    accuracy = runs.val_accuracy.isel(step=-1)
    now = accuracy.sel(train_size=512, drop=True)
    rows[title] = {name: formatting.in_points(stats.interval(gain)) for name, gain in {
        "twice the images": accuracy.sel(train_size=1024, drop=True) - now,
        "larger network": wide.val_accuracy.isel(step=-1) - now}.items()}
pd.DataFrame(rows).T

# %% [markdown] tags=["instructor"]
# **Read each row aloud** as two offers: this many points for twice the labels, that
# many for a larger network. **People ask** whether the shape of the curves would have
# been enough. It wasn't: the middle panel has a gap, too. Next, the two kinds of offers
# are drawn side by side.

# %% [markdown]
# Only the first network clearly gains from twice the images. The second one gains far
# more from being larger. Neither brings the third near the target: it needs other
# inputs. Notice that the second network has a gap, too: don't go by the shape of a
# curve alone if you can try both remedies.
#
# ## The validation curve
#
# A **validation curve** shows the same scores against a hyperparameter. Compare its
# slope with that of the learning curve. Here, we vary the learning rate, with 512
# images.

# %%
rates = fit_many(build, mnist, grid | {
    "train_size": 512, "learning_rate": [0.002, 0.006, 0.02, 0.06, 0.2, 0.6]},
    steps=300, evaluate_every=30)
figure, (left, right) = plots.panels(2)
plots.learning_curve(network, target=TARGET, title="More images still help", ax=left)
plots.learning_curve(rates, "learning_rate", target=TARGET, ax=right,
                     title="The rate is well chosen")
for ax in (left, right):
    ax.set_ylim(0.2, 1.02)

# %% [markdown]
# ## The lab
#
# The lab trains ten networks at each of nine sizes, on smaller images. On the left are
# the accuracies. On the right is the validation error with a curve that was fitted
# *only* to the images that you have (filled points); the hollow points are held out.

# %%
from course_utils import labs

labs.learning_curve()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** Few images are enough for the fitted curve to come close to
# the hollow points, but its interval widens with every size that is left out. With
# label noise, the flat beginning of the curve misleads the fit: it predicts too little
# improvement. With four units, the two lines meet well below the top, and more units
# would help more than twice the images. **Time:** every change takes a few seconds; ask
# for a prediction in the meantime. Next, we fit such a curve ourselves.

# %% [markdown]
# ## Where is the curve going?
#
# Over a wide range of sizes, the error often falls as a **power law**,
#
# $$\text{error}(n) = a\, n^{-b} + c .$$
#
# The rate $b$ says how quickly more data helps. The floor $c$ is the error that no
# amount of data removes. Suppose that you have 512 images. What error will 1,024 give?
# `power_law.fit` fits the curve to the sizes that you have, and `predict` adds a 95%
# prediction interval.

# %% [markdown]
# Before you trust such a prediction, **backtest** it: pretend that you have only 256
# images, and predict what 512 will give. That is the same step, a doubling, but you
# already know the answer. We do this for MNIST and for `tones`, in which a network has
# to recognize the pitch of a noisy tone.

# %%
from course_utils import power_law

tones = fit_many(models.mlp, datasets.tones(seed=0), grid | {"depth": 2, "width": 32,
                 "train_size": [32, 64, 128, 256, 512]}, steps=300)
errors = {"MNIST": 1 - network.val_accuracy.isel(step=-1),
          "tones": 1 - tones.val_accuracy.isel(step=-1)}
figure, axes = plots.panels(2)
titles = ["MNIST: the backtest succeeds", "Tones: the backtest fails"]
for ax, title, error in zip(axes, titles, errors.values(), strict=True):
    law = power_law.fit(error.sel(train_size=slice(256)))
    plots.power_law(error.sel(train_size=slice(512)), law, title=title, ax=ax)

# %% [markdown] tags=["instructor"]
# **Ask** before you show it: if the power law is wrong for the tones, will the interval
# warn you? It doesn't, because it allows for chance but not for a wrong formula. The
# backtest does warn you. **People ask** how far they may extrapolate: no farther than
# the backtest did. Next, we spend the money: is a larger training set always worth it?

# %% [markdown]
# On MNIST, the measured error is inside the interval. On the tones, it is far below the
# interval: the law has the wrong form there, and the interval didn't warn us. So don't
# use this law for the tones. On MNIST, we may now predict one more doubling.

# %%
law = power_law.fit(errors["MNIST"].sel(train_size=slice(512)))
predicted = law.predict([1024]).isel(train_size=0)
measured = errors["MNIST"].sel(train_size=1024).mean()
print(f"with 1,024 images: predicted {predicted['mean']:.1%} "
      f"[{predicted.low:.1%}, {predicted.high:.1%}], measured {measured:.1%}")

# %% [markdown]
# ## Does more data always help?
#
# “More data always helps” is popular advice. We measured what doubling the training
# data gains on six data sets, with the learning rate tuned for each size. A claim
# “holds” if its whole interval is to the right of the dashed line, and it “reverses” if
# the interval is to the left of zero.
#
# The second figure is about careless labels. You have some well-labeled samples, and
# somebody offers you three times as many, but half of the new labels are wrong. Would
# you take them?

# %%
from course_utils import claims

_ = claims.forest("lc-more-data")

# %%
_ = claims.forest("lc-careless-labels")

# %% [markdown] tags=["instructor"]
# **Take a vote** on the second offer before you show the figure. “Half of them are
# correct, so they can't hurt” is the answer to wait for. **People ask** how much label
# noise is acceptable. That depends on the task; the lab only shows noise in all labels.
# Next, we compare twice the data with another model.

# %% [markdown]
# On five data sets, twice the data gains more than one point. On the sixth, the
# interval contains both zero and one point, although it is as narrow as we had planned.
# So how much more data helps depends on the task. Careless labels made the network
# *worse* on all five that we tried.
#
# ## More data or another model?
#
# You have 512 images. Should you buy 512 more, or try a support vector machine (SVM)?
# In a fair comparison, both models are tuned equally: we choose one of two learning
# rates and one of two values of the SVM's `C` on three splits that aren't used again.
# Then we compare the models in pairs on ten other splits.

# %%
from sklearn.svm import SVC

TUNING, MEASURED = [100, 101, 102], list(range(10))
splits = {seed: datasets.mnist(seed) for seed in TUNING + MEASURED}


def svm_accuracy(seed, C):
    data = splits[seed]
    svm = SVC(C=C).fit(data.x_train[:512].reshape(512, -1), data.y_train[:512])
    return svm.score(data.x_val.reshape(len(data.x_val), -1), data.y_val)


best = max([1, 10], key=lambda C: sum(svm_accuracy(seed, C) for seed in TUNING))
svm = np.array([svm_accuracy(seed, best) for seed in MEASURED])

# %%
def owned(seed, n):
    data, rows = splits[seed], np.arange(1024) % n     # repeats the first n
    return data.replace(x_train=data.x_train[rows], y_train=data.y_train[rows])


def network_accuracy(n):
    runs = fit_many(build, lambda seed: owned(seed, n), {
        "learning_rate": [0.1, 0.3], "seed": TUNING + MEASURED}, steps=600)
    final = runs.val_accuracy.isel(step=-1)
    rate = final.sel(seed=TUNING).mean("seed").idxmax("learning_rate")
    return final.sel(learning_rate=rate, seed=MEASURED).drop_vars("learning_rate")


now, with_twice = network_accuracy(512), network_accuracy(1024)
offers = {"twice the images": with_twice - now, "SVM, same images": svm - now,
          "SVM minus twice the images": svm - with_twice}
gains = {name: stats.resampled_interval(gain, test_share=0.25)   # the splits overlap
         for name, gain in offers.items()}
_ = plots.intervals(gains, neutral=0, xlabel="validation accuracy gained",
                    title="Both gain, and we can't tell which gains more")

# %% [markdown] tags=["instructor"]
# **Ask** which row answers the question. The last one does, because it compares the two
# offers directly, in pairs. The lesson isn't “use an SVM” but “try a cheap model
# first”. **People ask** why we tune at all: an untuned opponent is easy to beat. Next,
# we ask the same question about the emoji classifier.

# %% [markdown]
# On these images, we can't tell which of the two gains more, and the SVM needs no new
# labels. The intervals are wide because the ten splits overlap (see appendix
# [A5](A5_more_on_comparing_runs.ipynb)).
#
# ## The emoji classifier
#
# Our running example is a CNN that recognizes what an emoji shows. It has 443 training
# images by one artist (Noto). There are three ways to improve it: draw more images, buy
# images by a second artist (Twemoji), or train only a linear classifier on features
# from a pretrained network. Training takes minutes, so the results are stored. The
# right panel is for the second artist's drawings.

# %%
from course_utils.experiments import emoji_curves

figure, axes = plots.panels(2)
titles = {"google": "First artist: features are far ahead",
          "twitter": "Second artist: features lead here, too"}
for ax, (artist, title) in zip(axes, titles.items(), strict=True):
    for name, accuracy in emoji_curves.curves().items():
        scores = accuracy.sel(artist=artist)
        plots.over_seeds(ax, scores.train_size, scores, label=name)
    ax.set_xscale("log", base=2)
    ax.set(title=title, xlabel="training images", ylim=(0, 1), xticks=[64, 256, 1024],
           xticklabels=[64, 256, 1024], ylabel="validation accuracy")
_ = axes[0].legend()

# %%
from course_utils.experiments import scoreboard

gains = scoreboard.gains().sel(row="more_images")
for artist, name in (("google", "first artist"), ("twitter", "second artist")):
    gain = gains.sel(artist=artist)
    print(f"twice the images, {name}: {100 * gain['mean']:+.1f} points "
          f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]")

# %% [markdown]
# The pretrained network's features beat everything else at every size. On the first
# artist's drawings, adding the second artist's images brings no measurable gain. On the
# second artist's, it does (the printed lines are for a simpler recipe: unscaled pixels,
# half the steps). So the second artist's images help only on drawings like them.
#
# ## A regression task
#
# Learning curves work for any metric. Here, a network predicts the fuel consumption of
# cars (`autompg`), in miles per gallon, and we compare it with linear regression on the
# same cars.

# %%
from sklearn.linear_model import LinearRegression


def regressor():
    return keras.Sequential([
        keras.Input((9,)), layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"), layers.Dense(1)])


def linear_error(seed, n):
    data = datasets.autompg(seed)
    rows = np.random.default_rng(seed).permutation(len(data.x_train))[:n]
    fitted = LinearRegression().fit(data.x_train[rows], data.y_train[rows])
    return np.sqrt(np.mean((fitted.predict(data.x_val) - data.y_val) ** 2))

# %%
sizes, seeds = [32, 64, 128, 234], range(10)
cars = fit_many(regressor, datasets.autompg, {
    "learning_rate": 0.003, "train_size": sizes, "seed": seeds}, steps=1000,
    loss="mse")
error = np.sqrt(cars.val_loss.isel(step=-1))
linear = error.copy(data=[[linear_error(seed, n) for seed in seeds] for n in sizes])
ax = plots.axes()
for name, scores in {"network": error, "linear regression": linear}.items():
    plots.over_seeds(ax, sizes, scores, label=name)
ax.set(xlabel="training cars", ylabel="error (miles per gallon)",
       title="With more cars, the network pulls ahead")
_ = ax.legend()

# %% [markdown]
# Here, lower is better. With 32 cars, we can't tell the two apart. With 128 or more,
# the network is better, and linear regression hardly improves. So compare models at the
# size that you'll have.
#
# ## Samples that aren't independent
#
# All of this assumes that new samples resemble the validation samples. With a random
# split, that often fails in two cases. *Groups:* several samples come from the same
# source, such as a person or, here, an emoji in several variants. *Time:* you train on
# the past and predict the future. The next cell scores a nearest-neighbor classifier on
# emoji and a linear regression on cars, each with a random split and with one that
# matches the intended use.

# %%
from sklearn.neighbors import KNeighborsClassifier

for how in ("random", "grouped"):
    scores = []
    for seed in range(3):
        emoji = datasets.emoji(seed, near_duplicates=how)
        flat = [x.reshape(len(x), -1) for x in (emoji.x_train, emoji.x_val)]
        nearest = KNeighborsClassifier(1).fit(flat[0], emoji.y_train)
        scores.append(nearest.score(flat[1], emoji.y_val))
    print(f"emoji, {how} split: accuracy {np.mean(scores):.2f}")

# %%
cars = datasets.autompg(seed=0, scaled=False)
x = np.concatenate([cars.x_train, cars.x_val])
y = np.concatenate([cars.y_train, cars.y_val])
new = x[:, datasets.CARS.index("model year")] >= 79
rng = np.random.default_rng(0)
ways = {"random": [rng.permutation(new) for _ in range(20)], "by year": [new]}
for name, splits in ways.items():
    errors = []
    for held_out in splits:
        fitted = LinearRegression().fit(x[~held_out], y[~held_out])
        squares = (fitted.predict(x[held_out]) - y[held_out]) ** 2
        errors.append(np.sqrt(squares.mean()))
    print(f"cars, split {name}: off by {np.mean(errors):.1f} miles per gallon")

# %% [markdown]
# Both random splits make the model look too good. With a random split, a validation
# emoji often has a variant of itself in the training set. And the regression never has
# to predict a future model year. In your own projects, scikit-learn's
# `GroupShuffleSplit` and `TimeSeriesSplit` make the splits you need.
#
# ## On your own network
#
# The next cell needs only Keras, NumPy, and Matplotlib. Replace what is marked `yours`.

# %%
import matplotlib.pyplot as plt

x_train, y_train = mnist.x_train, mnist.y_train        # yours
x_val, y_val = mnist.x_val, mnist.y_val                # yours
sizes, steps, scores = [100, 300, 900], 300, []   # yours
order = np.random.default_rng(0).permutation(len(x_train))
for n in sizes:
    model = build()                                    # yours
    model.compile(keras.optimizers.SGD(0.2), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    rows = np.resize(order[:n], steps * 32)
    model.fit(x_train[rows], y_train[rows], verbose=0)
    scores.append(model.evaluate(x_val, y_val, verbose=0)[1])
plt.plot(sizes, scores, "o-")
_ = plt.gca().set(title="A learning curve of my own",
                  xlabel="training samples", ylabel="validation accuracy")

# %% [markdown]
# A common mistake is to take the *first* $n$ rows of a file that is sorted, here by
# class. Another is to train every size for the same number of *epochs*: with few
# samples, an epoch is only a few steps, so small sizes are undertrained, and the curve
# looks too steep. The next two cells show these mistakes, each with its fix.

# %%
def trained_on(rows, **options):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.SGD(0.2), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    model.fit(x_train[rows], y_train[rows], verbose=0, **options)
    return model.evaluate(x_val, y_val, verbose=0)[1]


by_class = np.argsort(y_train, kind="stable")
for name, rows in {"first rows": by_class, "random rows": order}.items():
    print(f"200 samples, {name}: {trained_on(np.resize(rows[:200], 300 * 32)):.2f}")

# %%
print(f"100 samples, 5 epochs: {trained_on(order[:100], epochs=5):.2f}")
print(f"100 samples, 300 steps: {trained_on(np.resize(order[:100], 300 * 32)):.2f}")

# %% [markdown]
# ## What to remember
#
# - Compare the training accuracy with your target. If it is too low, more data of the
#   same kind won't help enough.
# - Try a larger network, and see what your last doubling gained. Compare the two in pairs.
# - Extrapolate only as far as a backtest did.
# - Check labels before you pay for them, and split the data the way it will be used.
#
# **Next:** [Lecture 02](02_training_curves.ipynb) looks at a single run and asks what
# is wrong with it. Exercise {{exercise}} has you draw a learning curve and decide
# whether to buy data.

# %% [markdown]
# **References.** Cortes et al.: *Learning curves: asymptotic values and rate of
# convergence*, NIPS 1993. Hestness et al.: *Deep learning scaling is predictable,
# empirically*, 2017. Viering & Loog: *The shape of learning curves: a review*, IEEE
# TPAMI 2023.
