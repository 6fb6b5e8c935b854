# ---
# jupyter:
#   course:
#     minutes: 20
# ---

# %% [markdown]
# # What can you expect on your own data?
#
# *"Everybody says that batch norm lets you use higher learning rates. Will it do
# that for my network?"* No table of results can answer this question for data that
# nobody has tried. But two things help: seeing how much the effect varies from one
# data set to the next, and measuring it on your own data.
#
# By the end of this appendix, you'll be able to:
#
# - read a forest plot;
# - say what results on a few data sets tell you about another one, and what they
#   don't;
# - test the course's claims on your own data in a few minutes.
#
# This appendix takes about {{minutes}} minutes. You should have finished lecture 03.

# %% [markdown]
# ## One claim, several data sets
#
# We have tested some of this course's claims on up to six data sets: two of
# handwriting, one of drawings, one from medicine, and two of artificial signals. On
# each one, we train pairs of networks. The two networks of a pair share their seed
# and their split into training and validation data. When we tune them, both get the
# same number of settings to choose from. The rules were written down before these
# measurements; you can read them in `course_utils/claims/PROTOCOL.md`.
#
# The next figure shows one row per data set: the mean effect and its 95% confidence
# interval. Such a figure is called a forest plot. First look at how far apart the
# rows are. Then check which side of the dashed line each interval is on; the line
# marks the effect that the claim needs.

# %%
from course_utils import claims

_ = claims.forest("bn-higher-rates")

# %% [markdown]
# The claim holds on every data set that we could afford to measure, but the factor
# differs. Where two intervals are far apart compared with their widths, the data sets
# really differ: more runs would not make the difference go away. An interval says how
# well we know the effect on *one* data set, with the network we trained there. It says
# nothing about the next data set.
#
# This is the whole experiment. `sweep` contains the learning rates that both networks
# are trained with; `threshold` is what the claim needs, and `margin` is the smallest
# distance from it that we wanted to detect.

# %%
claims.code("bn-higher-rates")

# %% [markdown]
# ## Four more claims
#
# In the next figures, look for a claim that fails everywhere, and for one that
# depends on the data.

# %%
_ = claims.forest("lc-careless-labels")

# %% [markdown]
# We added three times as many samples, half of them with incorrect labels. On every
# data set that we measured, this lowered the accuracy.

# %%
_ = claims.forest("do-overfitting")

# %% [markdown]
# This claim depends on the data. With label noise, dropout clearly helps on two data
# sets and costs accuracy on another one. On a fourth, the interval includes zero. The
# number of training steps is limited here, so a slower network is at a disadvantage.

# %%
_ = claims.forest("bl-one-run")

# %% [markdown]
# Where the interval includes one half, a single run of each network tells you nothing
# about which one is better. On both sets of signals, the wider network is nearly always
# ahead, and a single run would usually show it.

# %%
_ = claims.forest("da-flips")

# %% [markdown]
# For the drawings, flips cost less than the claim allows, if anything. On both sets of
# digits, they cost more, probably because a mirrored digit is usually not a digit.
#
# The sentence above each figure gives the most common verdict and says on how many
# data sets we got it. It is tempting to turn this count into a probability for your
# own data. Don't: we chose these data sets because they are small, clean, and easy to
# get. Six are too few for an interval that covers a seventh, and your data aren't
# drawn from the same population.
#
# ## Test it on your data
#
# `claims.on` takes your data as a `Split` and tests every claim that makes sense for
# them. It trains pairs of networks, ten at a time, until there are about as many as
# the protocol would ask for, or until the time is up. Unlike the protocol, it has no
# separate pilot, so its verdicts are a little less reliable. Your training and
# validation data are divided anew for each pair. The test set stays closed.
#
# Here we pretend that the tumors of lecture 04 are your data, and we test two claims.
# (They are the data set `cancer`, so expect results like those in its row.) For your
# own data, leave out `claims` and `minutes`: you then get all claims, and ten
# minutes.

# %%
from course_utils import datasets

mine = datasets.cancer().replace(name="my data")
found = claims.on(mine, minutes=0.5,
                  claims=["lc-careless-labels", "bl-one-run"])
found

# %% [markdown]
# The table compares your data with the data sets of the course. "Not enough runs" is
# a useful verdict, too: the interval is still too wide to say which side of the
# threshold the effect is on. You can also add your data to a forest plot, as the
# last row.

# %%
_ = found.plot("bl-one-run")

# %% [markdown]
# ## On your own network
#
# `claims.on` trains the small networks of the course. For your own network, the idea
# is the same, and plain Keras is enough: train both versions with several seeds,
# subtract their accuracies, and look at the interval of the differences. Here is a
# short version for dropout. It uses only five seeds and doesn't tune either network.

# %%
import keras
import numpy as np
from keras import layers
from scipy import stats


def accuracy(rate, seed, data):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input(data.x_train.shape[1:]), layers.Dense(32, "relu"),
        layers.Dropout(rate), layers.Dense(data.classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    model.fit(data.x_train, data.y_train, epochs=20, verbose=0)
    return model.evaluate(data.x_val, data.y_val, verbose=0)[1]

# %%
gains = []
for seed in range(5):
    data = datasets.cancer(seed)   # another split for every seed
    gains.append(accuracy(0.5, seed, data) - accuracy(0, seed, data))
interval = stats.ttest_1samp(gains, 0).confidence_interval()
print(f"dropout gains {100 * np.mean(gains):.1f} points, "
      f"95% interval {100 * interval.low:.1f} to {100 * interval.high:.1f}")

# %% [markdown]
# Two mistakes are common. If you tune only the new version, you compare budgets
# rather than techniques. And if all pairs share one split, the interval applies to
# that split only, so draw a new one for each pair. Even then, the splits overlap: the
# interval describes your data set rather than every data set of its kind.
