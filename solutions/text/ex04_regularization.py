# %% [markdown]
# # Exercise 04: brakes, and an honest choice among them
#
# You will
#
# - **derive** the gradients of both weight penalties;
# - **write** one step of SGD with momentum and decoupled weight decay;
# - **write** the rule of early stopping, with patience;
# - **choose** the strength of a penalty on validation data, and **report** it on a
#   test set that is opened once;
# - **referee** a figure that compares two networks.
#
# It takes about 90 minutes and builds on lecture 10. Replace each `...` by your
# answer and run the check below it. A check prints one line:
#
# - `✓` your answer has every property it should have;
# - `✗` a property is violated, and here is a hint;
# - `·` no answer yet.
#
# There are many right ways to write each answer, and the checks accept them all.
# If you are stuck, `hint("4.1")` gives a hint for question 4.1. Ask again for a
# second one, and a third. When you are done, the button **Check my work** at the end
# runs your notebook from top to bottom in a fresh kernel and judges every answer anew.

# %%
from course_utils.checks.exercise import hint, progress

# %% [markdown]
# ## A network in need of a brake
#
# Here are 200 digits, 40 % of them with a wrong label, and a network that is large
# enough to learn all of them by heart. It is trained ten times at each of six
# strengths of an L2 penalty. The validation images have their right labels.

# %%
from course_utils import datasets, fit_many, models, plots, stats


def train(data, strengths, seeds, **knobs):
    """Train with these L2 penalties and seeds; what fit_many returns."""
    grid = {"l2": strengths, "seed": seeds, "learning_rate": 0.006,
            "label_noise": 0.4, "train_size": 200, "depth": 2, "width": 32}
    return fit_many(models.mlp, data, grid | knobs, epochs=10,
                    optimizer="adam")


digits = datasets.digits(seed=0)
strengths = [0.0, 0.0003, 0.001, 0.003, 0.01, 0.03]
runs = train(digits, strengths, range(10))

# %% [markdown]
# Look first at the runs without a penalty. When are they at their best?

# %%
_ = plots.curves(runs.sel(l2=0), "accuracy",
                 title="Without a brake the wrong labels are learned")

# %% [markdown]
# Training accuracy goes on rising; validation accuracy turns after a few epochs. (An
# epoch of `fit_many` is as many steps as the whole training set would take: five
# passes over these 200 images.)
# Three brakes follow: a penalty, weight decay, and stopping in time.

# %% [markdown]
# ## 4.1 The slope of a penalty
#
# Keras adds to the loss
#
# $$\lambda_1 \sum_i |w_i| \quad\text{for } \texttt{L1}(\lambda_1), \qquad
# \lambda_2 \sum_i w_i^2 \quad\text{for } \texttt{L2}(\lambda_2).$$
#
# Mind that there is no ½, and that these are sums, not means. Write the gradient of
# each with respect to the weights. At $w_i = 0$ the absolute value has no slope; take
# 0 there, so that a weight that is exactly 0 stays where it is. Float32 is precise
# enough, here and in 4.2.

# %% question="4.1"
import numpy as np


def penalty_gradients(w, l1, l2):
    """Gradients of the L1 penalty and of the L2 penalty, as Keras has them.

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
# Now look at both for a large weight and for a small one. Which penalty still
# pulls when a weight is nearly 0? That is the one that drives weights all the way
# toward zero.

# %%
print(penalty_gradients(np.array([2.0, 0.02]), l1=0.01, l2=0.01))

# %% [markdown]
# ## 4.2 Weight decay
#
# Weight decay takes a share off the weights in every step. For plain SGD it does
# what an L2 penalty does. As soon as the optimizer remembers old gradients, the two
# part. With a penalty, the decay is a part of the gradient, and momentum repeats it.
# *Decoupled* weight decay acts on the weight alone.
#
# Write one step of SGD with momentum and decoupled weight decay, as Keras has it in
# `SGD(learning_rate, momentum, weight_decay=…)`, without Nesterov:
#
# - the **velocity** is what is added to the weight: `momentum` times the old
#   velocity, minus the learning rate times the gradient;
# - the **weight** first loses a share `learning_rate` · `weight_decay` of itself;
#   then the new velocity is added;
# - a weight that is **not a kernel** (a bias, β or γ) takes the same step without any
#   decay.
#   (Keras decays everything, until you say
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
# What is the difference worth? Take an idle weight, one on which the data have no
# opinion: its gradient is 0. In a first run it decays at a strength of 0.1. In a second
# one 0.1 w is its gradient, as from an L2 penalty of 0.05. How much of it is left after
# 100 steps?

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
# A momentum of 0.9 repeats what is in the gradient until it counts tenfold. So a
# strength that was tuned for the one cannot be carried over to the other as it stands.

# %% [markdown]
# ## 4.3 Early stopping
#
# The simplest brake: stop when the validation loss no longer falls. Write the rule of
# `keras.callbacks.EarlyStopping` with `restore_best_weights=True`. You get the
# validation losses that a complete training would have; go through them epoch by
# epoch, as the callback has to.
#
# - The first epoch is the best so far, whatever its loss.
# - A later epoch is an **improvement** if its loss is below that of the best so far
#   by *more* than `min_delta`. It then becomes the best. A tie is no improvement.
# - Training stops at the end of the epoch that is the `patience`-th in a row without
#   improvement, or where the list ends. (`patience` is at least 1; Keras takes 0 for
#   1.)
# - The weights of the best epoch are **kept**.

# %% question="4.3"
def early_stop(losses, patience, min_delta):
    """Which epoch's weights are kept, and when training stops.

    losses : list of float, the validation loss after each epoch
    patience : int, at least 1;  min_delta : float, at least 0
    returns kept, last : numbers of epochs, the first one is 1
    """
    # BEGIN SOLUTION
    best, kept = losses[0], 1
    for epoch, loss in enumerate(losses[1:], 2):
        if loss < best - min_delta:
            best, kept = loss, epoch
        elif epoch - kept == patience:
            return kept, epoch   # what follows is never trained
    return kept, len(losses)
    # END SOLUTION

# %% question="4.3" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.stopping(early_stop)

# %% [markdown]
# And now the ten runs without a penalty, with a patience of 2:

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
# A large gain for so little code. But the images that say how good the kept epoch
# is have also chosen it. Whoever chooses by a score may not report it: that is the
# next question.

# %% [markdown]
# ## 4.4 Choose honestly
#
# Here is how the penalties did: means over ten seeds, after the last epoch.

# %%
columns = ["accuracy", "val_accuracy", "loss", "val_loss", "penalty"]
runs[columns].isel(epoch=-1).mean("seed").reset_coords(drop=True).to_pandas(
    ).round(2)

# %% [markdown]
# The first four columns would choose for you, and they do not all agree. Which says
# how well *new* images are answered? Look at what Keras's `loss` and `val_loss`
# consist of.
#
# The rule for this question, fixed before anybody looks: train every strength with
# every seed; take the strength whose **mean validation accuracy over the seeds, after
# the last epoch,** is highest. Only then open the test set, **once**, and report the
# chosen strength on it: again the mean over all seeds, after the last epoch. (The
# lowest mean of `val_loss − penalty` would be as honest a rule. What counts is that it
# was fixed before.)
#
# Two things you need:
#
# - `data.open_test()` returns `x_test, y_test`, and complains when asked again.
# - `data.replace(x_val=…, y_val=…)` is a split that is *scored* on other images. What
#   `train` then calls `val_accuracy` is the accuracy on those. The networks are the
#   same as before, as long as the seeds are.
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
    # Nothing is left to choose: now, and only now, the test set.
    x_test, y_test = data.open_test()
    tested = train(data.replace(x_val=x_test, y_val=y_test), [strength],
                   seeds)
    return strength, float(tested.val_accuracy.isel(epoch=-1).mean())
    # END SOLUTION

# %% question="4.4" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.honest(choose_and_report)

# %% [markdown]
# Now with real trainings. (Run this cell a second time, and the split will tell you
# what the number is worth from then on.)

# %%
reported = choose_and_report(train, digits, strengths, range(10))
if reported is not None:
    print(f"strength {reported[0]:g}, test accuracy {reported[1]:.2f}")

# %% [markdown]
# Compare with the table. With six strengths, and ten seeds behind each, luck has little
# room. The more settings one tries, and the fewer seeds stand behind each, the more the
# validation score flatters its winner.

# %% [markdown]
# ## 4.5 You are the referee
#
# A manuscript arrives. Its figure is the one below, and this is its text:
#
# > *We trained a network on handwritten digits, 40 % of them with wrong labels, with
# > Adam and ten seeds. Without a penalty it learned from 200 images, at the learning
# > rate of our last paper. For the L2 penalty of all kernels we tried twelve
# > combinations of strength and learning rate, and took the one with the highest mean
# > accuracy on the test images. Its choice needed no validation images, so we added
# > these 360 to the 200. Shown are the test accuracies: means over the seeds, with
# > their 95 % intervals.*

# %%
other = datasets.digits(seed=1)
x_test, y_test = other.open_test()
theirs = other.replace(x_val=x_test, y_val=y_test)
without = train(theirs, 0.0, range(10)).val_accuracy.isel(epoch=-1)
twelve = train(theirs, [0.003, 0.01, 0.03], range(10), train_size=200 + 360,
               learning_rate=[0.0007, 0.002, 0.006, 0.02])
twelve = twelve.val_accuracy.isel(epoch=-1)
best = twelve.mean("seed").argmax(["l2", "learning_rate"])
# Here the 360 are further training images, which makes no difference.

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
# Your fellow referees object as follows. Which of them are right?
#
# - **a.** Both networks were trained with the same ten seeds. They should have been
#   given different ones, so that the runs are independent.
# - **b.** The network with the penalty learned from more images. How much of the
#   gain is theirs, nobody can tell.
# - **c.** The test images chose among the twelve combinations. What is shown is no
#   longer a test accuracy.
# - **d.** The penalty leaves out the biases, so it is only half a penalty.
# - **e.** Twelve settings were tried with the penalty and one without. At another
#   learning rate the network without it might do better, too.
# - **f.** The figure should show the loss with the penalty in it. That is what was
#   minimized.
# - **g.** The title speaks of weight decay. A penalty in the loss of Adam is
#   something else.
# - **h.** On its training images the network with the penalty is less accurate than
#   the other. So it has learned worse.
#
# Collect the letters of those who are right, like `flaws = {"x", "y"}`.

# %% question="4.5"
# BEGIN SOLUTION: flaws
flaws = {
    "b",  # 560 images against 200: more data are a brake of their own
    "c",  # the best of twelve, by the very number that is shown
    "e",  # each arm deserves a tuning of its own
    "g",  # Adam divides a penalty's gradient as it divides all others
}
# a: the common seeds pair the runs; pairs need fewer seeds.
# d: biases do not make a function steeper; they are left out on purpose.
# f: a loss with the penalty in it does not say how good the answers are.
# h: where labels are wrong, training accuracy rewards learning by heart.
# END SOLUTION

# %% question="4.5" tags=["nbval-check-output"]
from course_utils.checks import regularization as checks

checks.referee(flaws)

# %% [markdown]
# ## Done?
#
# Press the button. If all five lines begin with `✓`, you know what each brake does to
# a weight, and how to choose one without fooling yourself. (`course check 4` in a
# terminal does the same.)

# %%
progress()

# %% [markdown]
# **To go on.** Give the manuscript what it lacks: the same 200 images, twelve
# settings for either network, validation images that choose. What is left of the
# gain, with an interval of the difference? And what would 560 images have brought
# without any penalty?
