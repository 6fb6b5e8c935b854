# %% [markdown]
# # Exercise 04: regularizers, and an honest choice among them
#
# You will
#
# - **derive** the gradients of both weight penalties;
# - **write** one step of SGD with momentum and decoupled weight decay;
# - **write** the early-stopping rule, with patience;
# - **choose** the strength of a penalty on validation data, and **report** it on a
#   test set that is opened once;
# - **referee** a figure that compares two networks.
#
# It takes about 90 minutes and builds on lecture 10. Replace each `...` with your
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
# ## A network that needs regularization
#
# Here are 200 digits, 40% of them with a wrong label, and a network that is large
# enough to memorize all of them. We train it ten times at each of six strengths of an
# L2 penalty. The labels of the validation images are correct.

# %%
from course_utils import datasets, fit_many, models, plots, stats


def train(data, strengths, seeds, **knobs):
    """Train with these L2 penalties and seeds; return the runs."""
    grid = {"l2": strengths, "seed": seeds, "learning_rate": 0.006,
            "label_noise": 0.4, "train_size": 200, "depth": 2, "width": 32}
    return fit_many(models.mlp, data, grid | knobs, epochs=10,
                    optimizer="adam")


digits = datasets.digits(seed=0)
strengths = [0.0, 0.0003, 0.001, 0.003, 0.01, 0.03]
runs = train(digits, strengths, range(10))

# %% [markdown]
# First look at the runs without a penalty. When are they at their best?

# %%
_ = plots.curves(runs.sel(l2=0), "accuracy",
                 title="Without a penalty, label noise is memorized")

# %% [markdown]
# Training accuracy keeps rising, but validation accuracy falls after a few epochs. (An
# epoch of `fit_many` has as many steps as the whole training set would take: five
# passes over these 200 images.)
# Three regularizers follow: a penalty, weight decay, and early stopping.

# %% [markdown]
# ## 4.1 The slope of a penalty
#
# Keras adds to the loss
#
# $$\lambda_1 \sum_i |w_i| \quad\text{for } \texttt{L1}(\lambda_1), \qquad
# \lambda_2 \sum_i w_i^2 \quad\text{for } \texttt{L2}(\lambda_2).$$
#
# Note that there is no ½ and that these are sums, not means. Write the gradient of
# each with respect to the weights. At $w_i = 0$, the absolute value has no slope; use
# 0 there, so that a weight that is exactly 0 stays at 0. Float32 is precise enough,
# here and in 4.2.

# %% question="4.1"
import numpy as np


def penalty_gradients(w, l1, l2):
    """Gradients of the L1 penalty and of the L2 penalty, as in Keras.

    w : array of any shape;  l1, l2 : float, the strengths
    returns gradient of l1, gradient of l2 : arrays of the shape of w
    """
    # BEGIN SOLUTION
    return l1 * np.sign(w), 2 * l2 * w   # np.sign(0) is 0
    # END SOLUTION

# %% question="4.1" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.gradients(penalty_gradients)

# %% [markdown]
# Now compare both gradients for a large weight and for a small one. Which penalty
# still pulls when a weight is nearly 0? That is the one that drives weights all the
# way toward zero.

# %%
print(penalty_gradients(np.array([2.0, 0.02]), l1=0.01, l2=0.01))

# %% [markdown]
# ## 4.2 Weight decay
#
# Weight decay shrinks the weights by a fixed fraction in every step. For plain SGD, it
# does the same as an L2 penalty. When the optimizer remembers old gradients, the two
# differ. With a penalty, the decay is part of the gradient, and momentum repeats it.
# *Decoupled* weight decay acts on the weight alone.
#
# Write one step of SGD with momentum and decoupled weight decay, as in Keras's
# `SGD(learning_rate, momentum, weight_decay=…)`, without Nesterov:
#
# - the **velocity** is what is added to the weight: `momentum` times the old
#   velocity, minus the learning rate times the gradient;
# - the **weight** first loses a fraction `learning_rate` · `weight_decay` of itself;
#   then the new velocity is added;
# - a weight that is **not a kernel** (a bias, β, or γ) takes the same step without any
#   decay.
#   (Keras decays everything unless you call
#   `optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])`.)

# %% question="4.2"
def decayed_step(w, velocity, gradient, learning_rate, momentum,
                 weight_decay, is_kernel):
    """One step of SGD with momentum and decoupled weight decay.

    w, velocity, gradient : arrays of one shape;  is_kernel : bool
    learning_rate, momentum, weight_decay : float
    returns the new w and the new velocity
    """
    # BEGIN SOLUTION
    new_velocity = momentum * velocity - learning_rate * gradient
    if is_kernel:
        w = w - learning_rate * weight_decay * w
    return w + new_velocity, new_velocity
    # END SOLUTION

# %% question="4.2" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.decay(decayed_step)

# %% [markdown]
# How much does the difference matter? Take a weight that the data don't affect, so its
# gradient is 0. In the first run, it decays at a strength of 0.1. In the second, its
# gradient is 0.1 w, as from an L2 penalty of 0.05. How much of it is left after 100
# steps?

# %%
def left(weight_decay, penalty, steps=100):
    w, velocity = np.ones(1), np.zeros(1)
    for _ in range(steps):
        w, velocity = decayed_step(w, velocity, 2 * penalty * w, 0.01, 0.9,
                                   weight_decay, True)
    return w[0]


if decayed_step(*np.ones((3, 1)), 0.01, 0.9, 0.1, True) is not None:
    print(f"decoupled weight decay: {left(0.1, 0):.2f}")
    print(f"L2 in the gradient:     {left(0, 0.05):.2f}")

# %% [markdown]
# A momentum of 0.9 repeats the gradient until it counts ten times. So a strength that
# was tuned for one method cannot be used unchanged for the other.

# %% [markdown]
# ## 4.3 Early stopping
#
# The simplest regularizer is to stop when the validation loss no longer falls. Write
# the rule of `keras.callbacks.EarlyStopping` with `restore_best_weights=True`. You get
# the validation losses of a complete training run; go through them epoch by epoch, as
# the callback must.
#
# - The first epoch is the best so far, whatever its loss.
# - A later epoch is an **improvement** if its loss is below the best loss so far by
#   *more* than `min_delta`. It then becomes the best. A tie is not an improvement.
# - Training stops at the end of the `patience`-th epoch in a row without improvement,
#   or where the list ends. (`patience` is at least 1; Keras treats 0 as 1.)
# - The weights of the best epoch are **kept**.

# %% question="4.3"
def early_stop(losses, patience, min_delta):
    """Which epoch's weights are kept, and when training stops.

    losses : list of float, the validation loss after each epoch
    patience : int, at least 1;  min_delta : float, at least 0
    returns kept, last : numbers of epochs, counted from 1
    """
    # BEGIN SOLUTION
    best, kept = losses[0], 1
    for epoch, loss in enumerate(losses[1:], 2):
        if loss < best - min_delta:
            best, kept = loss, epoch
        elif epoch - kept == patience:
            return kept, epoch   # later epochs are never trained
    return kept, len(losses)
    # END SOLUTION

# %% question="4.3" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.stopping(early_stop)

# %% [markdown]
# Now apply it to the ten runs without a penalty, with a patience of 2:

# %%
plain = runs.sel(l2=0)
stops = [early_stop(plain.val_loss.sel(seed=seed).values.tolist(), 2, 0.0)
         for seed in range(10)]
if None not in stops:
    kept = [float(plain.val_accuracy.sel(seed=seed, epoch=epoch))
            for seed, (epoch, _) in enumerate(stops)]
    to_the_end = plain.val_accuracy.isel(epoch=-1).mean().item()
    print("kept epochs:", *[epoch for epoch, _ in stops])
    print(f"validation accuracy, stopped: {np.mean(kept):.2f}, "
          f"to the end: {to_the_end:.2f}")

# %% [markdown]
# That is a large gain for so little code. But the images that score the kept epoch also
# chose it. You can't report the same score that you used to choose: that is the topic of
# the next question.

# %% [markdown]
# ## 4.4 Choose honestly
#
# Here are the results of the penalties: means over ten seeds, after the last epoch.

# %%
columns = ["accuracy", "val_accuracy", "loss", "val_loss", "penalty"]
runs[columns].isel(epoch=-1).mean("seed").reset_coords(drop=True).to_pandas(
    ).round(2)

# %% [markdown]
# You could choose by any of the first four columns, but they do not all agree. Which
# one tells you how well the network classifies *new* images? Look at what Keras's
# `loss` and `val_loss` contain.
#
# The rule for this question was fixed in advance. Train every strength with every seed,
# and choose the strength whose **mean validation accuracy over the seeds, after
# the last epoch,** is highest. Only then open the test set, **once**, and report the
# chosen strength on it: again the mean over all seeds, after the last epoch. (The
# lowest mean of `val_loss − penalty` would be just as honest. What counts is that the
# rule was fixed in advance.)
#
# Two things you need:
#
# - `data.open_test()` returns `x_test, y_test`, and complains if you call it again.
# - `data.replace(x_val=…, y_val=…)` is a split that is *scored* on other images. What
#   `train` then calls `val_accuracy` is the accuracy on those images. With the same
#   seeds, the networks are the same as before.
#
# The check compares the accuracy to four decimals.

# %% question="4.4"
def choose_and_report(train, data, strengths, seeds):
    """Choose an L2 penalty on validation data; report it on the test set.

    train : function (data, strengths, seeds) → runs, as above
    data : a Split;  strengths, seeds : lists
    returns strength, accuracy : the chosen one, and its mean test accuracy
    """
    # BEGIN SOLUTION
    runs = train(data, strengths, seeds)
    final = runs.val_accuracy.isel(epoch=-1).mean("seed")
    strength = float(final.idxmax("l2"))
    # Everything has been chosen, so it is time to open the test set.
    x_test, y_test = data.open_test()
    tested = train(data.replace(x_val=x_test, y_val=y_test), [strength],
                   seeds)
    return strength, float(tested.val_accuracy.isel(epoch=-1).mean())
    # END SOLUTION

# %% question="4.4" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.honest(choose_and_report)

# %% [markdown]
# Now use real training runs. (If you run this cell a second time, the split will tell
# you what the number is worth from then on.)

# %%
reported = choose_and_report(train, digits, strengths, range(10))
if reported is not None:
    print(f"strength {reported[0]:g}, test accuracy {reported[1]:.2f}")

# %% [markdown]
# Compare this with the table. With only six strengths and ten seeds for each, luck plays
# a small role. The more settings you try, and the fewer seeds each one gets, the more
# the validation score flatters its winner.

# %% [markdown]
# ## 4.5 You are the referee
#
# A manuscript arrives. Its figure is below, and its text reads:
#
# > *We trained a network on handwritten digits, 40% of them with wrong labels, with
# > Adam and ten seeds. Without a penalty, it learned from 200 images, at the learning
# > rate of our last paper. For the L2 penalty on all kernels, we tried twelve
# > combinations of strength and learning rate, and took the one with the highest mean
# > accuracy on the test images. This choice needed no validation images, so we added
# > these 360 to the 200. The figure shows mean test accuracies over the seeds with
# > their 95% intervals.*

# %%
other = datasets.digits(seed=1)
x_test, y_test = other.open_test()
theirs = other.replace(x_val=x_test, y_val=y_test)
without = train(theirs, 0.0, range(10)).val_accuracy.isel(epoch=-1)
twelve = train(theirs, [0.003, 0.01, 0.03], range(10), train_size=200 + 360,
               learning_rate=[0.0007, 0.002, 0.006, 0.02])
twelve = twelve.val_accuracy.isel(epoch=-1)
best = twelve.mean("seed").argmax(["l2", "learning_rate"])
# Here the 360 are other training images, which makes no difference.

# %%
ax = plots.axes()
for name, scores in {"no penalty": without, "penalty": twelve[best]}.items():
    said = stats.interval(scores)
    ax.bar(name, said["mean"], width=0.5)
    ax.errorbar(name, said["mean"], [[said["mean"] - said["low"]],
                                     [said["high"] - said["mean"]]],
                color="0.2", capsize=4)
ax.set(ylabel="test accuracy", ylim=(0, 1))
_ = ax.set_title("Weight decay cures overfitting")

# %% [markdown]
# Your fellow referees raise these objections. Which of them are right?
#
# - **a.** Both networks were trained with the same ten seeds. They should have been
#   given different ones, so that the runs are independent.
# - **b.** The network with the penalty learned from more images. Nobody can tell how
#   much of the gain is due to them.
# - **c.** The test images chose among the twelve combinations. What is shown is no
#   longer a test accuracy.
# - **d.** The penalty leaves out the biases, so it is only half a penalty.
# - **e.** Twelve settings were tried with the penalty and one without. At another
#   learning rate, the network without it might do better, too.
# - **f.** The figure should show the loss including the penalty. That is what was
#   minimized.
# - **g.** The title says weight decay. A penalty in the loss that Adam minimizes is
#   something else.
# - **h.** On its training images, the network with the penalty is less accurate than
#   the other. So it has learned less well.
#
# Collect the letters of the valid objections, like `flaws = {"x", "y"}`.

# %% question="4.5"
# BEGIN SOLUTION: flaws
flaws = {
    "b",  # 560 images versus 200: more data also regularizes
    "c",  # the best of twelve, chosen by the very number that is shown
    "e",  # each arm deserves its own tuning
    "g",  # Adam rescales a penalty's gradient like any other
}
# a: the common seeds pair the runs, and pairs need fewer seeds.
# d: biases do not make a function steeper; they are left out on purpose.
# f: a loss that includes the penalty doesn't measure accuracy on new images.
# h: with label noise, training accuracy rewards memorization.
# END SOLUTION

# %% question="4.5" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.referee(flaws)

# %% [markdown]
# ## Done?
#
# Click the button. If all five lines begin with `✓`, you know what each regularizer
# does and how to choose one without fooling yourself. (`course check 4` in a terminal
# does the same.)

# %%
progress()

# %% [markdown]
# **Going further.** Give the manuscript what it lacks: the same 200 images, twelve
# settings for both networks, and validation images that choose. How much of the gain
# remains, with an interval of the difference? And how much would 560 images have gained
# without any penalty?
