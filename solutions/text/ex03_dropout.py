# %% [markdown]
# # Exercise 03: write dropout, measure uncertainty, find out when it helps
#
# You will
#
# - **write** dropout in NumPy, forward and backward;
# - **build** a Keras network with dropout where it belongs;
# - **measure** how uncertain a network is, and whether that uncertainty detects
#   images that have been turned on their side;
# - **find** out when dropout helps, with an interval;
# - **referee** a curve whose title claims an ideal rate.
#
# It takes about 90 minutes and builds on lecture 09. Replace each `...` with your
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
# ## The layer that you will rebuild
#
# Here is what Keras does with two samples of eight ones, in training and at
# inference. Run these two cells first, and run the second one more than once.

# %%
import keras
import numpy as np

layer = keras.layers.Dropout(0.2, seed=1)

# %%
print("training\n", layer(np.ones((2, 8)), training=True).numpy())
print("inference\n", layer(np.ones((2, 8)), training=False).numpy())

# %% [markdown]
# Each unit is either dropped or kept, and the kept units have grown. Why to 1.25? And
# why does nothing happen at inference?

# %% [markdown]
# ## 3.1 Inverted dropout
#
# In training, each unit of each sample is set to 0 with probability `rate`,
# independently of all others. The kept units are scaled so that the *expected value* of
# every unit is unchanged, so inference needs no scaling. (The original paper scaled at
# inference instead; dropout that scales in training is called inverted.)
#
# Draw from `rng`, a `numpy.random.Generator`, in any way you like. Return the mask
# too: the backward pass will need it. Unlike in lecture 09, the mask only says *which*
# units are kept; it is not divided by anything. At inference, all units are kept.

# %% question="3.1"
def dropout(x, rate, rng, training):
    """Inverted dropout.

    x : (N, D);  rate : float in [0, 1);  rng : numpy.random.Generator
    training : bool
    returns out, mask : (N, D), (N, D); mask is True or 1 where a unit is kept
    """
    # BEGIN SOLUTION
    if not training:
        return x, np.ones(x.shape, bool)
    mask = rng.random(x.shape) >= rate
    return x * mask / (1 - rate), mask
    # END SOLUTION

# %% question="3.1" tags=["nbval-check-output"]
from course_utils.checks import dropout as checks

checks.forward(dropout)

# %% [markdown]
# This check looked at two hundred of your masks. It measured the share of units dropped
# and how the counts scatter over samples and units. *Which* units you drop is random: a
# check that compared your mask with its own would reject every correct answer but one.

# %% [markdown]
# ## 3.2 Backward
#
# You are given $\partial L / \partial \text{out}$, called `dout`, and the mask that
# the forward pass drew. What gradient reaches `x`?

# %% question="3.2"
def dropout_backward(dout, mask, rate):
    """Gradient of inverted dropout in training.

    dout : (N, D);  mask : (N, D), bool, True where a unit was kept
    rate : float in [0, 1)
    returns dx : (N, D)
    """
    # BEGIN SOLUTION
    return dout * mask / (1 - rate)
    # END SOLUTION

# %% question="3.2" tags=["nbval-check-output"]
from course_utils.checks import dropout as checks

checks.backward(dropout_backward)

# %% [markdown]
# ## 3.3 Where does it belong?
#
# Build a network for the digits: an input of 64 pixels, two hidden `Dense` layers of
# 64 units with ReLU, and a softmax over ten classes. Each hidden layer passes its
# activations through dropout; the inputs and the outputs are not dropped. Make it a
# `keras.Sequential` or a functional model, and don't compile it; `fit_many` handles the
# training.
#
# Calling the trained network twice, without specifying a training mode, should give the
# same answer.

# %% question="3.3"
from keras import layers


def build_model(dropout):
    """A network for the digits.

    dropout : float in [0, 1), the rate after each hidden layer
    returns a keras.Model, (None, 64) → (None, 10), not compiled
    """
    # BEGIN SOLUTION
    stack = [keras.Input((64,))]
    for _ in range(2):
        stack += [layers.Dense(64, activation="relu",
                               kernel_initializer="he_normal"),
                  layers.Dropout(dropout)]
    stack.append(layers.Dense(10, activation="softmax"))
    return keras.Sequential(stack)
    # END SOLUTION

# %% question="3.3" tags=["nbval-check-output"]
from course_utils.checks import dropout as checks

checks.network(build_model)

# %% [markdown]
# ## 3.4 Does it know what it does not know?
#
# If dropout stays on at inference, the network answers differently every time. This is
# *Monte-Carlo dropout*. Average the probabilities of $T$ passes to get $\bar p_{nk}$,
# for image $n$ and class $k$. The **predictive entropy**
#
# $$H_n = -\sum_k \bar p_{nk} \ln \bar p_{nk}$$
#
# is 0 where all passes are sure of the same class, and $\ln 10$ where all ten classes
# are equally likely. Write `mc_dropout`.
#
# An uncertainty is useful if it detects unusual images. Turn each digit by 90°. Take
# all pairs of an upright and a turned image, including pairs of different digits. The
# share of pairs in which the turned image is more uncertain (a tie counts half) is the
# **AUROC**: 1 if it always is, 0.5 if the uncertainty knows nothing.
# `sklearn.metrics.roc_auc_score` computes it. Turn images of shape (N, 8, 8) with
# `np.rot90`, and check its argument `axes`.
#
# Other images would give a different AUROC, so compute an **interval** by bootstrap:
# draw N image *indices* with replacement, and compute the AUROC of these images and
# their turned twins. Do that at least 500 times; the 2.5 and 97.5 percentiles are the
# ends of the 95% interval. (The images are the same each time, so compute the
# uncertainties only once, at the start.) Write `rotation_auroc`. The check accepts
# an interval whose width is off by about 10%.

# %% question="3.4"
def mc_dropout(model, x, passes):
    """Mean answer of a network with dropout on, and how uncertain it is.

    model : keras.Model whose outputs are probabilities
    x : (N, 64);  passes : int
    returns mean, entropy : (N, K), (N,)
    """
    # BEGIN SOLUTION
    mean = np.mean([model(x, training=True) for _ in range(passes)], axis=0)
    # 0 · log 0 counts as 0.
    return mean, -np.sum(mean * np.log(mean + 1e-12), axis=1)
    # END SOLUTION


def rotation_auroc(uncertainty, x, rng):
    """How well an uncertainty tells images turned by 90° from upright ones.

    uncertainty : function, images (M, 64) → (M,)
    x : (N, 64), upright images of 8 × 8 pixels
    rng : numpy.random.Generator
    returns auroc, low, high : floats, with the ends of the 95% interval
    """
    # BEGIN SOLUTION
    turned = np.rot90(x.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
    first, second = uncertainty(x), uncertainty(turned)[:, None]
    wins = (second > first) + 0.5 * (second == first)   # for each pair
    resampled = []
    for _ in range(500):
        drawn = rng.integers(0, len(x), len(x))
        resampled.append(wins[np.ix_(drawn, drawn)].mean())
    return wins.mean(), *np.percentile(resampled, [2.5, 97.5])
    # END SOLUTION

# %% question="3.4" tags=["nbval-check-output"]
from course_utils.checks import dropout as checks

checks.monte_carlo(mc_dropout, rotation_auroc)

# %% [markdown]
# Now try real networks. Predict first: which AUROC will Monte-Carlo dropout reach? And
# what about the entropy of one ordinary answer, with dropout off? The cell trains three
# networks that differ only in their seed.

# %%
from course_utils import datasets

digits = datasets.digits(seed=0)


def trained(seed):
    keras.utils.set_random_seed(seed)
    model = build_model(0.2)
    model.compile(keras.optimizers.Adam(0.003),
                  "sparse_categorical_crossentropy")
    model.fit(digits.x_train, digits.y_train, batch_size=64, epochs=12,
              verbose=0)
    return model


def one_answer(model, x):
    p = model(x, training=False).numpy()
    return -np.sum(p * np.log(p + 1e-12), axis=1)

# %%
from functools import partial

ways = {"one answer": one_answer,
        "30 passes": lambda model, x: mc_dropout(model, x, 30)[1]}
net = build_model(0.2)
answered = net and mc_dropout(net, digits.x_val[:2], 2) is not None
for seed in range(3 if answered else 0):
    model = trained(seed)
    for name, entropy in ways.items():
        found = rotation_auroc(partial(entropy, model), digits.x_val,
                               np.random.default_rng(seed))
        if found is not None:
            print(f"seed {seed}, {name:10}: AUROC, low, high",
                  *np.round(found, 2))

# %% [markdown]
# An AUROC near 0.5 means that the network is hardly less sure of a digit on its side.
# Below 0.5, it is even surer of it (you have not swapped anything). Thirty passes do
# better here than one answer, but still fall far short of what the name “uncertainty”
# promises. The network has learned to doubt where *classes* look alike, but nobody has
# taught it what a digit is.
#
# Now compare the seeds. A bootstrap interval over images describes other images and
# *this* network. Does it contain what the same recipe gave with another seed? A claim
# about the recipe takes many training runs: lecture 09 has ten.

# %% [markdown]
# ## 3.5 When does it help?
#
# Now run the experiment. The arms are no dropout and a rate of your choice; the
# condition is the share of training labels that are wrong. Each arm deserves its own
# best learning rate, so some seeds choose and others measure:
#
# 1. take the accuracy in the last epoch;
# 2. at each label noise, give each arm the learning rate with the best mean over the
#    seeds in `tuning`;
# 3. on all *other* seeds, take the difference, with dropout minus without, seed by
#    seed, and its 95% interval. `stats.paired_difference` does that.
#
# Write it as `dropout_gain`. Then run `fit_many` with your network for about twenty
# epochs (at least ten). Use two values of `dropout`, the first of them 0; `label_noise`
# from 0 to 0.3 or more; three or more learning rates, around 0.1; and the seeds of
# `tuning` plus ten others. (`dropout` and `label_noise` are knobs of `fit_many` itself;
# all these networks share one compiled program.) Last, say where dropout helps. In
# `helps`, list the levels of label noise at which the *whole* interval lies above 0,
# like `helps = [0.3]`. An empty list is also a possible answer.
#
# Predict first: at which of your label-noise levels will it help, and by how many
# points? The check looks at all three answers together.

# %% question="3.5"
from course_utils import fit_many, stats

tuning = [90, 91, 92]


def dropout_gain(runs, tuning):
    """Accuracy gained by dropout, each arm at its own best learning rate.

    runs : xarray.Dataset with val_accuracy, of dimensions learning_rate,
        label_noise, dropout (two values, 0 first), seed and epoch
    tuning : list of int, the seeds that choose
    returns mean, low, high : one number each per label-noise level
    """
    # BEGIN SOLUTION
    final = runs.val_accuracy.isel(epoch=-1)
    chooses = final.seed.isin(tuning)
    best = final.sel(seed=chooses).mean("seed").idxmax("learning_rate")
    measured = final.sel(seed=~chooses).sel(learning_rate=best)
    gain = stats.paired_difference(measured, "dropout",
                                   between=tuple(runs.dropout.values))
    return gain["mean"], gain["low"], gain["high"]
    # END SOLUTION


# BEGIN SOLUTION: runs, helps
runs = fit_many(build_model, digits, epochs=16, grid={
    "learning_rate": [0.03, 0.1, 0.3], "label_noise": [0.0, 0.2, 0.4],
    "dropout": [0.0, 0.2], "seed": [*tuning, *range(12)]})

mean, low, high = dropout_gain(runs, tuning)
for row in zip(runs.label_noise.values, mean, low, high, strict=True):
    print("label noise {:.1f}: {:+.3f} [{:+.3f}, {:+.3f}]".format(
        *map(float, row)))
helps = runs.label_noise.values[np.asarray(low) > 0]
# END SOLUTION

# %% question="3.5" tags=["nbval-check-output"]
from course_utils.checks import dropout as checks

checks.gain(dropout_gain, runs, tuning, helps)

# %% [markdown]
# Compare the results with your prediction. Where the interval contains 0, the data show
# nothing in either direction; *no effect* would be a separate claim. You may find a
# small gain even without label noise, as our solution does, although lecture 09 finds
# none. Here, three tuning seeds, scored at the last epoch alone, gave the two arms
# different learning rates. The lecture uses four tuning seeds and other rates, and it
# averages over the last epochs. An interval over the measuring seeds does not cover the
# luck of that choice. Note also what was fixed: one width, one rate, one training
# length, and one data set.

# %% [markdown]
# ## 3.6 You are the referee
#
# A manuscript arrives. Its figure is below, and its text reads:
#
# > *We trained a network on 200 digits, 30% of them with a wrong label, at six
# > dropout rates, always from the same random seed. To keep the number of active units
# > constant, the hidden layers have 64 / (1 − rate) units. The learning rate was 0.1,
# > the best one without dropout. Test accuracy was measured as usual, with dropout
# > switched off.*

# %%
from course_utils import plots

rates = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9]
accuracies = {"test": [0.781, 0.802, 0.796, 0.811, 0.807, 0.818],
              "training": [0.998, 0.962, 0.905, 0.824, 0.731, 0.672]}
ax = plots.axes()
for name, values in accuracies.items():
    ax.plot(rates, values, label=name)
ax.set(xlabel="dropout rate", ylabel="accuracy", ylim=(0.6, 1.02))
ax.set_title("The ideal dropout rate of networks is 0.9")
_ = ax.legend()

# %% [markdown]
# Your fellow referees raise these objections. Which of them are right?
#
# - **a.** There is only one run at each rate. Nobody can tell how much of the
#   differences would remain with another seed.
# - **b.** All six runs start from the same seed. They should have been given
#   different ones, so that the runs are independent.
# - **c.** The width of the layers changes along with the rate. However good the reason,
#   the figure may show the effect of the width.
# - **d.** Test accuracy was measured with dropout switched off. A network that was
#   trained with dropout has to be tested with it.
# - **e.** The learning rate is the best one without dropout. At other dropout rates, a
#   different one might be better, and the order might change.
# - **f.** Test accuracy exceeds training accuracy at high rates. That is impossible,
#   so there must be a bug in the program.
# - **g.** The best rate is the largest one tried. Nobody has seen where accuracy falls
#   again, and therefore where an ideal might lie.
# - **h.** At rate 0.9, the kept units are multiplied by ten. The network wins because
#   its activations are ten times as large.
# - **i.** The title makes a claim about networks in general. The figure shows one
#   network on one data set.
#
# Collect the letters of the valid objections, like `flaws = {"x", "y"}`.

# %% question="3.6"
# BEGIN SOLUTION: flaws
flaws = {
    "a",  # the last step of the curve may be luck
    "c",  # two things changed at once: the rate and the width
    "e",  # each arm deserves the learning rate that is best for it
    "g",  # a best value at the edge of a range may not be an optimum
    "i",  # one network, one data set, and a claim about all of them
}
# b: different seeds would only add scatter; more seeds per rate are needed.
# d: dropout is for training; the whole network is what will be used.
# f: training accuracy is measured with units missing and on noisy labels.
# h: the factor of ten is what keeps the expected value unchanged.
# END SOLUTION

# %% question="3.6" tags=["nbval-check-output"]
from course_utils.checks import dropout as checks

checks.referee(flaws)

# %% [markdown]
# ## Done?
#
# Click the button. If all six lines begin with `✓`, you have written dropout, and you
# know what its uncertainty is worth and when dropout helps. (`course check 3` in a
# terminal does the same.)

# %%
progress()

# %% [markdown]
# **Going further.** Give the manuscript what it lacks: ten seeds, the same width at
# every rate, a learning rate for each, and rates beyond 0.9. Where does the curve turn?
# Then repeat 3.5 with a network half as wide. Does dropout still help?
