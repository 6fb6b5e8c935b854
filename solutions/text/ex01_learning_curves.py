# %% [markdown]
# # Exercise 01: draw a curve, diagnose networks, count the seeds
#
# You will
#
# - **draw** a learning curve by hand, with nested subsets;
# - **diagnose** eight training runs from their curves;
# - **compute** the interval of a paired difference, and choose the number of seeds
#   for an effect;
# - **fit** a power law, test it, and decide whether to buy data;
# - **referee** a bar chart.
#
# It takes about 90 minutes and builds on lectures 01 to 03. Replace each `...` with
# your answer and run the check below it. A check prints one line:
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
# ## 1.1 A learning curve by hand
#
# For each size, take that many training samples, train a new model, and score it
# twice: on the samples it was trained on and on the validation set.
#
# Three things go wrong in real projects. The first rows of a file may be sorted, so
# draw the samples **at random**. Each subset should **contain** the smaller ones;
# otherwise the curve mixes the size with the luck of the draw. And the validation set
# should not change.
#
# `make_model()` returns a new model with scikit-learn's methods `fit(x, y)` and
# `score(x, y)`. `rng` is a `numpy.random.Generator`; you need only its method
# `rng.permutation(n)`.

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
# ## 1.2 Eight patients
#
# Eight networks for handwritten digits were each trained ten times. Run the cell to
# see their accuracies on the training data, on the validation data, and on *new
# images*, which were collected after the network was already in use.

# %%
from course_utils.experiments import patients

ward = patients.train_cases()
_ = patients.plot_cases(ward)

# %% [markdown]
# Each network has one of these diagnoses. (Two of them apply to no network.)
#
# | diagnosis | |
# |---|---|
# | `rate too high` | the learning rate is too high |
# | `rate too low` | the learning rate is too low |
# | `too small` | the network is too small for the task |
# | `learns wrong labels` | it has begun to memorize label noise |
# | `leak` | the training set contains the validation images |
# | `not shuffled` | the training images are sorted by class |
# | `cold statistics` | the running averages of batch norm lag behind |
# | `noise in training` | healthy: dropout only makes the training score look bad |
# | `dead units` | all units are dead and pass nothing on |
# | `healthy` | nothing is wrong |
#
# The losses may help too: `ward.loss` and `ward.val_loss`. Write down all eight
# diagnoses, like `diagnosis = {"A": "leak", "B": "healthy", …}`.

# %% question="1.2"
# BEGIN SOLUTION: diagnosis
diagnosis = {
    "A": "noise in training",    # validation above training, new as good
    "B": "not shuffled",         # it learns the batches, not the mixture
    "C": "rate too low",         # all three are still rising together
    "D": "cold statistics",      # training perfect, validation lags
    "E": "too small",            # all three level off together
    "F": "leak",                 # validation at 100%, new images below
    "G": "rate too high",        # up and down, differently for each seed
    "H": "learns wrong labels",  # validation falls while training rises
}
# END SOLUTION

# %% question="1.2" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.diagnoses(diagnosis)

# %% [markdown]
# ## 1.3 The interval of a paired difference
#
# Two arms were run with the same seeds: `first[i]` and `second[i]` share seed `i`.
# The differences are $d_i = \text{second}_i - \text{first}_i$, with mean $\bar d$ and
# standard deviation $s$ (with $n - 1$ in the denominator). The interval is
#
# $$\bar d \pm t_{n-1,\,(1 + \text{level})/2}\; \frac{s}{\sqrt n} .$$
#
# The quantile comes from `scipy.stats.t.ppf`.

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
# Before an experiment, you decide which effect would matter: say, half a point of
# accuracy, 0.005. A **pilot** is a few pairs of runs on seeds that you will not use
# again. It tells you how much the paired differences scatter. Together, the effect and
# the scatter determine how many pairs will detect the effect in four experiments out
# of five (a *power* of 0.8).
#
# Write it as a function. `course_utils.stats` has what you need; look at
# `stats.seeds_needed?`. The check accepts a number that is off by one pair or by 4%.

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
# Here is a real pilot: 64 versus 96 units in each layer. Guess the number of seeds
# before you run the cell.

# %%
from course_utils import datasets, fit_many, models

pilot = fit_many(models.mlp, datasets.digits, epochs=10, grid={
    "learning_rate": 0.1, "width": [64, 96], "seed": range(900, 910)})
final = pilot.val_accuracy.isel(epoch=-1)
differences = (final.sel(width=96) - final.sel(width=64)).values
print(seeds_for(0.005, differences), "seeds for half a point")
print(seeds_for(0.02, differences), "seeds for two points")

# %% [markdown]
# ## 1.5 A power law
#
# Fit $\text{error}(n) = a\, n^{-b} + c$ to mean errors, with
# `scipy.optimize.curve_fit`. It needs an initial guess `p0` and `bounds`: none of the
# three parameters is negative, and the floor $c$ is never above 1. ($a$ may be, and
# often is.) If the errors follow a law exactly, your law must be within 0.003 of it, up
# to $n = 1024$.

# %% question="1.5"
from scipy.optimize import curve_fit


def fit_power_law(sizes, errors):
    """The power law that best fits the mean errors.

    sizes, errors : (k,), k at least 4
    returns a, b, c
    """
    # BEGIN SOLUTION
    def law(n, a, b, c):
        return a * n**-b + c

    (a, b, c), _ = curve_fit(law, sizes, errors, p0=(1, 0.5, 0.05),
                             bounds=([0, 0, 0], [np.inf, 3, 1]),
                             maxfev=20_000)
    return a, b, c
    # END SOLUTION

# %% question="1.5" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.law(fit_power_law)

# %% [markdown]
# ## 1.6 Buy, or not?
#
# You own $N$ samples and have measured the errors at several sizes up to $N$.
# Somebody offers to sell you another $N$. Use this rule, which is simpler than the
# lecture's so that everybody gets the same answer:
#
# 1. **Back-test.** Fit a law to all sizes but the largest, and let it predict the
#    error there. If it misses the measured error by more than 12% *of that error*,
#    don't trust the law: return `"cannot tell"`.
# 2. Otherwise, fit a law to all sizes. If it predicts that doubling $N$ lowers the
#    error by at least 0.015, return `"buy"`; if not, `"do not buy"`.

# %% question="1.6"
def decide(sizes, errors):
    """Whether to double the data.

    sizes : (k,), increasing; the last is all you own;  errors : (k,)
    returns "buy", "do not buy" or "cannot tell"
    """
    # BEGIN SOLUTION
    def says(law, n):
        a, b, c = law
        return a * n**-b + c

    hidden = says(fit_power_law(sizes[:-1], errors[:-1]), sizes[-1])
    if abs(hidden - errors[-1]) > 0.12 * errors[-1]:
        return "cannot tell"
    law = fit_power_law(sizes, errors)
    gained = says(law, sizes[-1]) - says(law, 2 * sizes[-1])
    return "buy" if gained >= 0.015 else "do not buy"
    # END SOLUTION

# %% question="1.6" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.decision(decide)

# %% [markdown]
# Now try three real data sets: digits, tones in noise, and digits described by only two
# numbers. Your function decides with up to 256 samples. Then you see what doubling them
# would have gained.

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
# Where the answer was “cannot tell”, look at what doubling would have gained. Did you
# miss a bargain? You could not have known: a law that was wrong once may be wrong in the
# other direction next time.

# %% [markdown]
# ## 1.7 You are the referee
#
# A manuscript proposes an activation function. Its figure is below, and its text reads:
#
# > *We compared five activation functions on one split of the data, with one training
# > run each. Training was stopped at the epoch with the best test accuracy. Swirl
# > exceeds ReLU, the second best, by 0.4 points.*

# %%
from course_utils import plots

accuracies = {"tanh": 0.966, "sigmoid": 0.967, "GELU": 0.969,
              "ReLU": 0.970, "Swirl": 0.974}
ax = plots.axes()
ax.bar(list(accuracies), list(accuracies.values()))
ax.set(ylim=(0.965, 0.975), ylabel="test accuracy")
_ = ax.set_title("Swirl is the best activation function")

# %% [markdown]
# Your fellow referees raise these objections. Which of them are right?
#
# - **a.** There is only one run of each. Nobody can tell how much of the 0.4 points
#   would remain with another seed.
# - **b.** All five were trained on the same split. They should have been given
#   different ones, so that the runs are independent.
# - **c.** The best of five was picked after looking, and compared as if it had been
#   the only candidate.
# - **d.** The test set chose the epoch. What is shown is no longer a test accuracy.
# - **e.** Accuracy is the wrong metric for an activation function; it should be the
#   training loss.
# - **f.** The vertical axis begins at 0.965 and makes a small difference look huge.
# - **g.** The networks should have been trained for more epochs.
#
# Collect the letters of the valid objections, like `flaws = {"x", "y"}`.

# %% question="1.7"
# BEGIN SOLUTION: flaws
flaws = {
    "a",  # one run each: the 0.4 points may be luck
    "c",  # the best of five looks good by chance alone
    "d",  # the test set was used to choose, so it is a validation set
    "f",  # readers compare the heights of bars from zero
}
# b: the common split pairs the runs, and pairs need fewer seeds.
# e: the reader wants to know how well it does on new data.
# g: that would be another experiment, not a flaw in this one.
# END SOLUTION

# %% question="1.7" tags=["nbval-check-output"]
from course_utils.checks import learning_curves as checks

checks.referee(flaws)

# %% [markdown]
# ## Done?
#
# Click the button. If all seven lines begin with `✓`, you can read curves, count seeds,
# and turn down a bargain. (`course check 1` in a terminal does the same.)

# %%
progress()

# %% [markdown]
# **Going further.** Turn the objections into an experiment: how many seeds would the
# manuscript need in order to show a gain of 0.4 points?
