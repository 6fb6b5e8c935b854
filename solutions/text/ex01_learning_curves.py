# %% [markdown]
# # Exercise 01: draw a curve, diagnose networks, count the seeds
#
# In this exercise, you'll
#
# - draw a learning curve in NumPy;
# - diagnose eight training runs from their curves, and compare notes with the doctor;
# - compute the confidence interval of a paired difference, and plan the number of
#   seeds;
# - decide whether more data is worth its price;
# - review a bar chart;
# - repair a `compile` and `fit` that contain common mistakes.
#
# It takes about 90 minutes and builds on lectures 01 to 03. (Question 1.5 was removed.)

# %% [markdown]
# Replace each `...` with your answer, and run the check below it. You'll see `✓` if the
# answer is right, `✗` and a suggestion if it isn't, and `·` if you haven't answered yet.
# The checks accept every correct solution, however you write it.
#
# If you're stuck, press **Hint** up to three times. When you're done, click **Check my
# work** at the end, which runs your whole notebook from top to bottom.

# %%
from course_utils.checks.exercise import hint, progress

# %% [markdown]
# ## 1.1 A learning curve
#
# Write a function that computes a learning curve. For each size, take that many
# training samples, train a new model on them, and score it twice: on these samples and
# on the validation set.
#
# - The rows of a file are often sorted, so draw the samples **at random**.
# - Each subset must **contain** all smaller ones. Otherwise, the curve also shows which
#   samples happened to be drawn.
# - Use the **same validation set** at every size.
#
# `make_model()` returns a new model that works as in scikit-learn: it has the methods
# `fit(x, y)` and `score(x, y)`. `rng` is a `numpy.random.Generator`. Its method
# `rng.permutation(n)` is all you need.

# %% question="1.1"
import numpy as np


def learning_curve(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    """Training and validation score at each size.

    x_train : (N, D);  y_train : (N,);  sizes : list of int, increasing
    returns an array (sizes, 2): training score, validation score
    """
    # BEGIN SOLUTION
    order = rng.permutation(len(x_train))   # one order: nested subsets
    scores = []
    for size in sizes:
        subset = order[:size]
        model = make_model()
        model.fit(x_train[subset], y_train[subset])
        scores.append([model.score(x_train[subset], y_train[subset]),
                       model.score(x_val, y_val)])
    return np.array(scores)
    # END SOLUTION

# %% question="1.1" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.by_hand(learning_curve)

# %% [markdown]
# ## 1.2 Eight training runs
#
# Eight networks that classify handwritten digits were each trained ten times. In
# most of the runs, something went wrong. The next cell plots three accuracies: on the
# training data, on the validation data, and on new images, which were collected after
# the network was already in use.

# %%
from course_utils.experiments import failed_runs

cases = failed_runs.train_cases()
_ = failed_runs.plot_cases(cases)

# %% [markdown]
# Each network has one of these diagnoses. Two of them don't apply to any network.
#
# | diagnosis | what it means |
# |---|---|
# | `rate too high` | the learning rate is too high |
# | `rate too low` | the learning rate is too low |
# | `too small` | the network is too small for the task |
# | `memorizes label noise` | the network memorizes training labels that are wrong |
# | `leak` | the training set contains the validation images |
# | `not shuffled` | the training images are sorted by class |
# | `running averages lag` | batch norm's running averages change too slowly |
# | `noise in training` | nothing is wrong: dropout lowers the training accuracy |
# | `dead units` | every ReLU returns 0 for every image |
# | `healthy` | nothing is wrong, and dropout isn't used |
#
# Write down all eight diagnoses, as in `diagnosis = {"A": "leak", "B": "healthy", …}`.
# The losses are in `cases.loss` and `cases.val_loss`, in case you want to plot them.

# %% question="1.2"
# BEGIN SOLUTION: diagnosis
diagnosis = {
    "A": "noise in training",      # training below validation and new images
    "B": "not shuffled",           # training good, validation at chance at first
    "C": "rate too low",           # all three curves are still rising
    "D": "running averages lag",   # training near 100%, validation far behind
    "E": "too small",              # all three level off together
    "F": "leak",                   # validation near 100%, new images lower
    "G": "rate too high",          # up and down, and different for each seed
    "H": "memorizes label noise",  # validation falls while training rises
}
# END SOLUTION

# %% question="1.2" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.diagnoses(diagnosis)

# %% [markdown]
# Now compare your diagnoses with those of the course's doctor (lecture 02). The next
# two cells use plain Keras to train one of the eight networks again, and then the
# doctor examines it. Which of the eight is it? Do you and the doctor agree?

# %%
import keras
from keras import layers

from course_utils import datasets, doctor

digits = datasets.digits(seed=0)
training = digits.x_train, digits.y_train
validation = digits.x_val, digits.y_val
hidden = {"activation": "relu", "kernel_initializer": "he_normal"}
keras.utils.set_random_seed(0)
network = keras.Sequential([
    keras.Input((64,)), layers.Dense(64, **hidden), layers.Dense(64, **hidden),
    layers.Dense(64, **hidden), layers.Dense(10, activation="softmax")])

# %%
network.compile(keras.optimizers.SGD(0.7), metrics=["accuracy"],
                loss="sparse_categorical_crossentropy")
fitted = network.fit(*training, epochs=20, verbose=0,
                     validation_data=validation)
doctor.examine(network, training, validation, history=fitted)

# %% [markdown]
# Look at the error rate in the last line before you believe the diagnosis. Then
# change one thing in the two cells to get a run like another of the eight: the learning
# rate, the number of units, or the order of the training images. (For a fixed order,
# `fit` needs `shuffle=False`.) Does the doctor recognize that one, too?

# %% [markdown]
# ## 1.3 The interval of a paired difference
#
# Two networks were trained with the same seeds, so `first[i]` and `second[i]` share
# seed `i`. The differences are $d_i = \text{second}_i - \text{first}_i$. Their mean is
# $\bar d$, and their standard deviation is $s$, with $n - 1$ in the denominator. The
# confidence interval of the mean difference is
#
# $$\bar d \pm t_{n-1,\,(1 + \text{level})/2}\; \frac{s}{\sqrt n} .$$
#
# `scipy.stats.t.ppf` computes the quantile $t$.

# %% question="1.3"
from scipy import stats as distributions


def paired_interval(first, second, level):
    """Mean of second − first, with its confidence interval.

    first, second : (n,);  level : float, e.g. 0.95
    returns mean, low, high
    """
    # BEGIN SOLUTION
    difference = second - first
    n = len(difference)
    quantile = distributions.t.ppf((1 + level) / 2, n - 1)
    half = quantile * difference.std(ddof=1) / np.sqrt(n)
    return difference.mean(), difference.mean() - half, difference.mean() + half
    # END SOLUTION

# %% question="1.3" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.interval(paired_interval)

# %% [markdown]
# ## 1.4 How many seeds for half a point?
#
# Before you compare two networks, decide which difference would matter to you: say,
# half a point of accuracy, or 0.005. How many pairs of runs do you need to detect it?
# That depends on how much the paired differences vary, so first train a few pairs with
# seeds that you won't use again. This is called a **pilot**.
#
# Write a function that returns the number of pairs that detects the effect with a
# probability (a *power*) of 0.8. You may use `course_utils.stats`; look at
# `stats.seeds_needed?`. The check accepts a number that is off by one or by 4%.

# %% question="1.4"
from course_utils import stats


def seeds_for(effect, pilot):
    """Number of pairs of runs that detects an effect with a power of 0.8.

    effect : float;  pilot : (n,), paired differences of a few runs
    returns an int
    """
    # BEGIN SOLUTION
    return stats.seeds_needed(effect, np.std(pilot, ddof=1), paired=True)
    # END SOLUTION

# %% question="1.4" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.seeds(seeds_for)

# %% [markdown]
# Here is a real pilot, which compares 64 with 96 units in each hidden layer. How many
# seeds will you need for half a point, and how many for two points? Guess before you
# run the cell.

# %%
from course_utils import fit_many, models

pilot = fit_many(models.mlp, datasets.digits, epochs=10, grid={
    "learning_rate": 0.1, "width": [64, 96], "seed": range(900, 910)})
final = pilot.val_accuracy.isel(epoch=-1)
differences = (final.sel(width=96) - final.sel(width=64)).values
print(seeds_for(0.005, differences), "seeds for half a point")
print(seeds_for(0.02, differences), "seeds for two points")

# %% [markdown]
# ## 1.6 Is more data worth its price?
#
# You have $N$ samples and have measured the validation error at several sizes up to
# $N$. Somebody offers to sell you another $N$ samples. The function `fit_power_law` in
# the next cell fits the law $\text{error}(n) = a\, n^{-b} + c$ to your errors. Use it as
# it is.

# %%
from scipy.optimize import curve_fit


def power_law(n, a, b, c):
    return a * n**-b + c


def fit_power_law(sizes, errors):
    """Return the a, b, and c that fit the errors best."""
    parameters, _ = curve_fit(
        power_law, sizes, errors, p0=(1, 0.5, 0.05),
        bounds=([0, 0, 0], [np.inf, 3, 1]), maxfev=20_000)
    return parameters

# %% [markdown]
# Write a function that decides by this rule:
#
# 1. **Test the law first.** Fit it to all sizes except the largest, and use it to
#    predict the error at the largest. If the prediction differs from the measured error
#    by more than 12% of the measured error, return `"cannot tell"`.
# 2. **Then predict.** Otherwise, fit the law to all sizes. If it predicts that doubling
#    $N$ lowers the error by at least 0.015, return `"buy"`. If not, return
#    `"do not buy"`.

# %% question="1.6"
def decide(sizes, errors):
    """Whether to double the data.

    sizes : (k,), increasing; the last is N;  errors : (k,)
    returns "buy", "do not buy" or "cannot tell"
    """
    # BEGIN SOLUTION
    tested = fit_power_law(sizes[:-1], errors[:-1])
    predicted = power_law(sizes[-1], *tested)
    if abs(predicted - errors[-1]) > 0.12 * errors[-1]:
        return "cannot tell"
    law = fit_power_law(sizes, errors)
    gain = power_law(sizes[-1], *law) - power_law(2 * sizes[-1], *law)
    return "buy" if gain >= 0.015 else "do not buy"
    # END SOLUTION

# %% question="1.6" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.decision(decide)

# %% [markdown]
# Let's try it on three data sets: images of digits, tones in noise, and digits that
# are described by only two numbers. Your function sees the errors for up to 256
# samples. The next cells also measure the error with 512.

# %%
from course_utils.claims.learning_curves import halves

sizes = np.array([32, 48, 64, 96, 128, 192, 256, 512])
offers = {"digits": (datasets.digits, {"learning_rate": 0.1}),
          "tones": (datasets.tones, {"learning_rate": 0.1}),
          "two numbers": (halves(datasets.digits),
                          {"learning_rate": 0.3, "depth": 1, "width": 16})}
measured = {}
for name, (data, knobs) in offers.items():
    runs = fit_many(models.mlp, data, epochs=20, grid={
        **knobs, "train_size": sizes, "seed": range(20)})
    measured[name] = 1 - runs.val_accuracy.isel(epoch=-1).mean("seed").values

# %%
for name, errors in measured.items():
    answer = decide(sizes[:-1].astype(float), errors[:-1])
    print(f"{name:12} {answer!s:12} error with 256: {errors[-2]:.3f}, "
          f"with 512: {errors[-1]:.3f}")

# %% [markdown]
# Compare each decision with the error at 512. For the tones, more data would have
# helped a lot, but your function could not know that: a law that missed one size can
# miss the next one, too.

# %% [markdown]
# ## 1.7 You are the referee
#
# A paper proposes a new activation function, Swirl. The authors write:
#
# > *We trained a network once with each of five activation functions, on the same
# > split of the data. We stopped each run at the epoch with the best test accuracy.
# > Swirl beats ReLU, the runner-up, by 0.4 points.*
#
# The next cell draws their figure.

# %%
from course_utils import plots

accuracies = {"tanh": 0.966, "sigmoid": 0.967, "GELU": 0.969,
              "ReLU": 0.970, "Swirl": 0.974}
ax = plots.axes()
ax.bar(list(accuracies), list(accuracies.values()))
ax.set(ylim=(0.965, 0.975), ylabel="test accuracy")
_ = ax.set_title("Swirl is the best activation function")

# %% [markdown]
# The other referees raise these objections. Which of them are valid?
#
# - **a.** There is only one run of each. With other seeds, the difference of 0.4 points
#   might disappear.
# - **b.** All five were trained on the same split. Each should have had a split of its
#   own, so that the runs are independent.
# - **c.** Swirl was picked as the best of five after the results were known. A result
#   like this can occur by chance.
# - **d.** The test set was used to choose the epoch, so the figure doesn't show a test
#   accuracy.
# - **e.** Accuracy is the wrong metric for activation functions. The authors should
#   compare the training loss.
# - **f.** The vertical axis starts at 0.965, which makes a small difference look huge.
# - **g.** The networks should have been trained for more epochs.
#
# Collect the letters of the valid objections, as in `flaws = {"x", "y"}`.

# %% question="1.7"
# BEGIN SOLUTION: flaws
flaws = {
    "a",  # with one run each, the 0.4 points may be luck
    "c",  # the best of five can look good by chance alone
    "d",  # a test set that is used to choose is a validation set
    "f",  # readers compare the heights of bars from zero
}
# b: sharing a split makes the comparison more precise.
# e: readers want to know how well the network does on new data.
# g: that would be another experiment, not a flaw in this one.
# END SOLUTION

# %% question="1.7" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.referee(flaws)

# %% [markdown]
# ## 1.8 Repair a training function
#
# The next cell builds a network and defines a function that is supposed to train it.
# `build_model` is correct, but `broken_train` combines several mistakes that people
# often report. One of them raises an error. The others don't, but the network learns
# poorly. The training images are sorted by class.

# %%
def build_model():
    return keras.Sequential([
        keras.Input((64,)), layers.Dense(64, activation="relu"),
        layers.Dense(10)])


def broken_train(model, x_train, y_train, x_val, y_val, epochs):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, epochs)
    model.compile(keras.optimizers.SGD(schedule), metrics=["accuracy"],
                  loss="categorical_crossentropy")
    history = model.fit(x_train, y_train, batch_size=32, epochs=epochs,
                        validation_split=0.2, verbose=0)
    return history.history

# %% [markdown]
# Copy the function into the next cell, call it `train`, and repair it:
#
# - It trains `model` on all of `x_train` and `y_train`, and keeps learning until the
#   last epoch.
# - After every epoch, it measures the loss on `x_val` and `y_val`.
# - The loss is the cross-entropy between the labels and the network's probabilities.
# - It returns the dictionary `history.history`.
#
# The labels are the integers from 0 to 9, and all ten occur in `y_train` and `y_val`.
# You may change the optimizer. The check trains a small network like `build_model()` on
# easy data. The network has to classify at least 70% of the validation samples
# correctly.

# %% question="1.8"
def train(model, x_train, y_train, x_val, y_val, epochs):
    """Train a model, and return its training curves.

    x_train : (N, D);  y_train : (N,), integers;  x_val, y_val : likewise
    returns history.history, which includes "val_loss"
    """
    # BEGIN SOLUTION
    steps = epochs * -(-len(x_train) // 32)   # batches, not epochs
    schedule = keras.optimizers.schedules.CosineDecay(0.1, steps)
    model.compile(
        keras.optimizers.SGD(schedule), metrics=["accuracy"],
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(x_train, y_train, batch_size=32, epochs=epochs,
                        validation_data=(x_val, y_val), verbose=0)
    return history.history
    # END SOLUTION

# %% question="1.8" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.repaired(train)

# %% [markdown]
# When the check passes, train a network on the digits. They are sorted by class first,
# as in the files of many data sets.

# %%
order = np.argsort(digits.y_train, kind="stable")
curves = train(build_model(), digits.x_train[order], digits.y_train[order],
               digits.x_val, digits.y_val, epochs=10)
for name, values in (curves or {}).items():
    print(f"{name}: {values[-1]:.3f}")

# %% [markdown]
# ## Done?
#
# Click the button. (In a terminal, `course check 1` does the same.) If you see a `✓` for
# every question, you can draw and read curves, plan a comparison, judge an offer of
# more data, and find the most common mistakes in a training script.

# %%
progress()

# %% [markdown]
# **Going further.** Turn the objections in 1.7 into an experiment. How many seeds would
# the authors need to show a gain of 0.4 points?
