# %% [markdown]
# # Exercise 02: write batch normalization, then referee a figure about it
#
# You will
#
# - **write** the layer in NumPy: training, running statistics, inference, and
#   the backward pass;
# - **build** a Keras network with a switch for batch normalization;
# - **measure** the largest learning rate at which it still trains, with and
#   without;
# - **referee** a figure that looks ready for print.
#
# It takes about 90 minutes and builds on lectures 04 to 07. Replace each `...`
# by your answer and run the check below it. A check prints one line:
#
# - `✓` your answer has every property it should have;
# - `✗` a property is violated, and here is a hint;
# - `·` no answer yet.
#
# There are many right ways to write each answer, and the checks accept them all.
# If you are stuck, `hint("2.1")` gives a hint for question 2.1. Ask again for a
# second one, and a third. When you are done, the button **Check my work** at the end
# runs your notebook from top to bottom in a fresh kernel and judges every answer anew.

# %%
from course_utils.exercise import hint, progress

# %% [markdown]
# ## The layer that you will rebuild
#
# Here is what Keras does with four samples of two features, in training and at
# inference. Run this cell first, and keep looking back at it: each of your
# functions is one piece of it.

# %%
import keras
import numpy as np

x = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 30.0], [6.0, 30.0]])
layer = keras.layers.BatchNormalization(epsilon=1e-3, momentum=0.99)
print("training\n", np.round(layer(x, training=True), 2))
print("moving mean after one batch", np.round(layer.moving_mean, 2))
print("inference\n", np.round(layer(x, training=False), 2))

# %% [markdown]
# In training each column leaves with mean 0 and spread 1. At inference the same
# data leave almost as they came: after one batch the running statistics have
# hardly begun to move.

# %% [markdown]
# ## 2.1 Forward, in training
#
# A batch $x$ of $N$ samples and $D$ features has shape $(N, D)$. Each feature $d$
# is normalized with its own mean and variance over the batch,
#
# $$\mu_d = \frac1N \sum_n x_{nd}, \qquad
# \sigma_d^2 = \frac1N \sum_n (x_{nd} - \mu_d)^2, \qquad
# \hat x_{nd} = \frac{x_{nd} - \mu_d}{\sqrt{\sigma_d^2 + \varepsilon}},$$
#
# and then scaled and shifted: $y_{nd} = \gamma_d \hat x_{nd} + \beta_d$.

# %% question="2.1"
def batch_norm_forward(x, gamma, beta, epsilon):
    """Batch normalization in training.

    x : (N, D);  gamma, beta : (D,);  epsilon : float
    returns the output : (N, D)
    """
    # BEGIN SOLUTION
    mean, variance = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
    # END SOLUTION

# %% question="2.1" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.forward(batch_norm_forward)

# %% [markdown]
# ## 2.2 Running statistics
#
# At inference there may be only one sample, so there is no batch to take a mean
# of. While training, Keras therefore keeps running averages of $\mu$ and
# $\sigma^2$. Before you write yours, look up in lecture 06, or in the help of
# `keras.layers.BatchNormalization`, what `momentum` multiplies. PyTorch uses the
# same word for the opposite.

# %% question="2.2"
def update_running(moving_mean, moving_variance, x, momentum):
    """Running statistics after one more training batch, as in Keras.

    moving_mean, moving_variance : (D,);  x : (N, D);  momentum : float
    returns new arrays moving_mean, moving_variance : (D,), (D,)
    """
    # BEGIN SOLUTION
    new_mean = momentum * moving_mean + (1 - momentum) * x.mean(axis=0)
    new_variance = (momentum * moving_variance
                    + (1 - momentum) * x.var(axis=0))
    return new_mean, new_variance
    # END SOLUTION

# %% question="2.2" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.running_statistics(update_running)

# %% [markdown]
# ## 2.3 Forward, at inference
#
# The same formula with the running statistics in the place of $\mu$ and
# $\sigma^2$. What a sample becomes must not depend on its neighbors, and looking
# at data must not change the layer.

# %% question="2.3"
def batch_norm_inference(x, gamma, beta, moving_mean, moving_variance,
                         epsilon):
    """Batch normalization at inference.

    x : (N, D);  gamma, beta, moving_mean, moving_variance : (D,)
    returns the output : (N, D)
    """
    # BEGIN SOLUTION
    normalized = (x - moving_mean) / np.sqrt(moving_variance + epsilon)
    return gamma * normalized + beta
    # END SOLUTION

# %% question="2.3" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.inference(batch_norm_inference)

# %% [markdown]
# ## 2.4 Backward
#
# Now the piece that most people get wrong the first time. You are given
# $\partial L / \partial y$, called `dout`, and want the gradients by $x$,
# $\gamma$ and $\beta$. Each $x_{nd}$ acts on the loss along three paths:
# directly, through $\mu_d$, and through $\sigma_d^2$. Take pen and paper.
#
# Two questions will tell you whether you forgot a path. What happens to the
# output when you add a constant to a whole feature? And, with a tiny
# $\varepsilon$, when you stretch a feature about its mean? What does that say
# about the gradient?

# %% question="2.4"
def batch_norm_backward(dout, x, gamma, epsilon):
    """Gradients of batch normalization in training.

    dout, x : (N, D);  gamma : (D,);  epsilon : float
    returns dx, dgamma, dbeta : (N, D), (D,), (D,)
    """
    # BEGIN SOLUTION
    root = np.sqrt(x.var(axis=0) + epsilon)
    normalized = (x - x.mean(axis=0)) / root
    dbeta = dout.sum(axis=0)
    dgamma = (dout * normalized).sum(axis=0)
    # What flows through mean and variance is subtracted again.
    dx = gamma / root * (dout - (dbeta + normalized * dgamma) / len(x))
    return dx, dgamma, dbeta
    # END SOLUTION

# %% question="2.4" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.backward(batch_norm_backward)

# %% [markdown]
# ## 2.5 The same in Keras, with a switch
#
# From here on Keras does the arithmetic. Build a network for the digits: an
# input of 64 pixels, three hidden `Dense` layers of 64 units with ReLU, and a
# softmax over ten classes. With `batch_norm=True`, put a `BatchNormalization`
# between each hidden `Dense` layer and its activation. One argument of those
# `Dense` layers is then superfluous. Which?
#
# Do not compile the model; `fit_many` will see to the training.

# %% question="2.5"
from keras import layers


def build_model(batch_norm):
    """A network for the digits.

    batch_norm : bool
    returns a keras.Model, (None, 64) → (None, 10), not compiled
    """
    # BEGIN SOLUTION
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(3):
        # The normalization would subtract a bias again.
        model.add(layers.Dense(64, use_bias=not batch_norm,
                               kernel_initializer="he_normal"))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, activation="softmax"))
    return model
    # END SOLUTION

# %% question="2.5" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.network(build_model)

# %% [markdown]
# ## 2.6 What does "still trains" mean?
#
# Say it before you look at any run, or you will say what suits you. Here: *the
# mean over the seeds of the validation accuracy in the last epoch is at least
# 0.9.* Write a function that reads the largest such learning rate off the runs
# of one network. Later you get `runs` from `fit_many`: an `xarray.Dataset` whose
# `runs.val_accuracy` has the dimensions `learning_rate`, `batch_norm`, `seed`
# and `epoch`.
#
# You need no more than `.sel(batch_norm=…)`, `.isel(epoch=-1)` and
# `.mean("seed")`; then `.learning_rate` gives the rates.

# %% question="2.6"
def largest_rate(runs, batch_norm):
    """The largest learning rate at which a network still trains.

    runs : xarray.Dataset with val_accuracy;  batch_norm : bool
    returns a float
    """
    # BEGIN SOLUTION
    final = runs.val_accuracy.sel(batch_norm=batch_norm).isel(epoch=-1)
    trains = final.mean("seed") >= 0.9
    return float(runs.learning_rate[trains].max())
    # END SOLUTION

# %% question="2.6" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.largest(largest_rate)

# %% [markdown]
# ## 2.7 The largest learning rate, measured
#
# Predict first: by what factor can batch normalization raise the largest rate at
# which *your* network trains? Write the number down.
#
# Then train it with `fit_many`, with and without batch normalization, at rates
# evenly spaced on a logarithmic scale and with at least three seeds, for ten
# epochs or more. Choose the rates so that you see the *edge* of both networks: a
# largest rate that trains, and beyond it one that does not. A hundred networks
# take a few seconds.

# %% question="2.7"
from course_utils import datasets, fit_many, plots

digits = datasets.digits(seed=0)
# BEGIN SOLUTION: runs
runs = fit_many(build_model, digits, epochs=10, grid={
    "learning_rate": np.logspace(-1.75, 1, 12),
    "batch_norm": [False, True], "seed": range(5)})

for batch_norm in (False, True):
    print(f"batch_norm={batch_norm}: {largest_rate(runs, batch_norm):.2g}")
ax = plots.against(runs.val_accuracy.isel(epoch=-1), "learning_rate",
                   by="batch_norm",
                   title="Batch norm trains at higher rates")
_ = ax.axhline(0.9, color="0.4", linewidth=1)
# END SOLUTION

# %% question="2.7" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.sweep(runs)

# %% [markdown]
# Compare with what you wrote down. And mind what you have *not* measured: that
# the larger rate is of any use. In lecture 07 each network was given its own best
# rate before the two were compared.

# %% [markdown]
# ## 2.8 You are the referee
#
# A manuscript arrives. Its figure is the one below, and this is the caption:
#
# > *Validation accuracy on handwritten digits (pixel values 0 to 16) of a network
# > with three hidden layers of sigmoid units, weights drawn from N(0, 0.05²),
# > stochastic gradient descent with learning rate 0.01. Both networks start from
# > the same random seed.*
#
# Run the cell and take a minute over the picture.

# %%
from course_utils import datasets, fit_many, models, plots


def manuscript(batch_norm):
    return models.mlp(width=128, activation="sigmoid", momentum=0.9,
                      kernel_initializer="random_normal",
                      batch_norm=batch_norm)


scaled = datasets.digits(seed=0)
pixels = scaled.replace(x_train=16 * scaled.x_train,
                        x_val=16 * scaled.x_val)
submitted = fit_many(manuscript, pixels, epochs=6, grid={
    "batch_norm": [False, True], "learning_rate": 0.01, "seed": 0})

ax = plots.axes()
for batch_norm in (False, True):
    curve = submitted.val_accuracy.sel(batch_norm=batch_norm)
    ax.plot(curve.epoch, curve, label=plots.say("batch_norm", batch_norm))
ax.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
ax.set_title("Networks need batch norm in order to learn")
_ = ax.legend()

# %% [markdown]
# Your fellow referees object as follows. Which of them are right?
#
# - **a.** There is one run of each. Nobody can tell how much of the gap another
#   seed would leave.
# - **b.** There is one learning rate for both. At another one the order of the
#   curves might be different.
# - **c.** Both networks start from the same seed. They should have been given
#   different ones, so that the runs are independent.
# - **d.** The network with batch normalization has many more parameters to
#   train, so it had to win.
# - **e.** The plain network is a straw man: unscaled pixels, sigmoid units and
#   arbitrary small weights hamper it, and all three are easily mended.
# - **f.** Validation accuracy is the wrong yardstick. Learning is shown by the
#   accuracy on the training data.
# - **g.** The title claims something about networks. Shown is one network on one
#   data set.
# - **h.** The vertical axis should be logarithmic; the gap is an effect of the
#   axis.
#
# Collect the letters of those who are right, like `flaws = {"x", "y"}`.

# %% question="2.8"
# BEGIN SOLUTION: flaws
flaws = {
    "a",  # no second seed, no interval: the gap may be luck
    "b",  # each network deserves the best rate *for it*
    "e",  # mended, and at its own best rate, the plain one nearly keeps up
    "g",  # one network, one data set, and a sentence about all of them
}
# c: the common seed pairs the runs, and pairs need fewer seeds.
# d: two trainable numbers for a unit that has hundreds of weights.
# f: accuracy on data seen in training also rewards learning by heart.
# h: no transformation of the axis changes which curve is on top.
# END SOLUTION

# %% question="2.8" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.referee(flaws)

# %% [markdown]
# ## Done?
#
# Press the button. If all eight lines begin with `✓`, you have written batch
# normalization from scratch, and you know how to look at the next figure about it.
# (`course check 2` in a terminal does the same.)

# %%
progress()

# %% [markdown]
# **To go on.** Give the manuscript what it lacks: ten seeds, five learning rates,
# scaled pixels. What would an honest title say?
