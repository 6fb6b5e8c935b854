# ---
# jupyter:
#   course:
#     minutes: 60
#     exercise: "01"
#     lab: playground
#     problem: https://discuss.ai.google.dev/t/validation-loss-keeps-increasing-even-though-accuracy-levels-out/25411
# ---

# %% [markdown]
# # Training curves: what is wrong with this run?
#
# *My validation loss keeps rising, but the validation accuracy doesn't drop. If the
# loss gets worse, shouldn't the accuracy get worse, too?* People ask this on every
# forum, and most answers are guesses. In this lecture, you'll learn to read a training
# run the way a mechanic listens to an engine.

# %% [markdown]
# By the end, you'll be able to:
#
# - tell a healthy run from one that overfits, learns slowly, or doesn't learn;
# - quickly find a learning rate that works;
# - decide whether to use a schedule and when to stop training;
# - diagnose a failed run with the course's doctor.
#
# The lecture takes about {{minutes}} minutes. You should know how to build and fit a
# small network in Keras.
#
# ## Make a guess first

# %%
from course_utils import quiz

quiz.ask("02", "loss_up_accuracy_flat")

# %% [markdown] tags=["instructor"]
# **Take a vote,** but don't give the answer yet; the section on overfitting does. The
# next figure shows a run in which nothing is wrong. **People ask** whether they should
# look at the loss or at the accuracy. Answer: that depends on what the network is used
# for, and we'll come back to it.

# %% [markdown]
# ## A healthy run
#
# We start with a run in which nothing goes wrong: a network with two hidden layers,
# trained on 1,350 handwritten digits from MNIST. This is plain Keras, except for the
# functions that load the data and draw the figure. Look at the direction of both
# curves.

# %%
import keras
from keras import layers

from course_utils import datasets, plots

mnist = datasets.mnist(seed=0, samples=1800)


def build():
    return keras.Sequential([
        keras.Input((28, 28, 1)), layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax")])


# %%
def train(optimizer, epochs, **options):
    model = build()
    model.compile(optimizer, loss="sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    history = model.fit(
        mnist.x_train, mnist.y_train, epochs=epochs, verbose=0,
        validation_data=(mnist.x_val, mnist.y_val), **options)
    return model, history


keras.utils.set_random_seed(0)
healthy, history = train(keras.optimizers.SGD(0.1), epochs=6)
_ = plots.history(history, title="Healthy: both losses fall")

# %% [markdown]
# Both losses fall quickly at first and then more slowly. At the end, the training loss
# is lower. A gap like this is normal, because the network has never seen the validation
# images. The sign of overfitting is a validation loss that *rises*.
#
# Why is the training loss *higher* in the first epochs? Keras averages it over the
# whole epoch, while the network is still improving. The validation loss is measured at
# the end of the epoch.

# %% [markdown] tags=["instructor"]
# **Give them a minute.** All other runs will be compared with this figure. **People
# ask:** “The gap is growing at the end. Is that overfitting?” Not yet: the validation
# loss hasn't risen. Next, we train the same network for longer.

# %% [markdown]
# ## Overfitting
#
# Now we train the same network for 25 epochs instead of 6. Nothing else changes. Watch
# for two things. When does the validation loss start to rise? And what does the
# validation accuracy do after that?

# %%
keras.utils.set_random_seed(0)
trained_long, history = train(keras.optimizers.SGD(0.1), epochs=25)
_ = plots.history(history, metrics=["loss", "accuracy"],
                  title="The validation loss rises; the accuracy stays flat")

# %% [markdown]
# The training loss approaches zero, because the network memorizes its training images.
# The validation loss reaches its minimum early and then climbs slowly, while the
# validation accuracy barely moves.
#
# How can the loss get worse if the accuracy doesn't? Accuracy depends only on which
# class gets the highest probability. The loss also depends on how high that probability
# is, and a confident mistake adds a lot to it. The next cell compares how confident the
# two networks are.

# %%
for name, model in {"6 epochs": healthy, "25 epochs": trained_long}.items():
    probability = model.predict(mnist.x_val, verbose=0)
    confidence = probability.max(axis=1)
    correct = probability.argmax(axis=1) == mnist.y_val
    print(f"{name}: confidence when right {confidence[correct].mean():.2f}, "
          f"when wrong {confidence[~correct].mean():.2f}")

# %% [markdown]
# After 25 epochs, the network is more confident than after 6, even when it is wrong. So
# the answer to our opening question is no: the loss can get worse while the accuracy
# doesn't. The network is overfitting. Should you care? If you need only the predicted
# class, the extra epochs did no harm here. If you need reliable probabilities, stop
# when the validation loss is lowest.
#
# Could this be one unlucky run? The course's helper `fit_many` trains 20 of these
# networks at the same time (by default, with plain SGD), each with different initial
# weights and a different order of the images. Lines are means; bands are 95% confidence
# intervals.

# %%
from course_utils import fit_many

runs = fit_many(build, mnist, {"learning_rate": 0.1, "seed": range(20)},
                epochs=25)
figure, (left, right) = plots.panels(2)
_ = plots.curves(runs, "loss", ax=left, title="The validation loss rises …")
_ = plots.curves(runs, "accuracy", ax=right, title="… the accuracy doesn't fall")
higher = runs.val_loss.sel(epoch=25) > runs.val_loss.sel(epoch=10)
print(f"validation loss higher after 25 epochs than after 10: "
      f"{int(higher.sum())} of {higher.size} runs")

# %% [markdown]
# In most runs, the validation loss is higher at the end than after 10 epochs, although
# on average it rises only a little. The mean accuracy doesn't fall. So the first run
# was not an accident.

# %% [markdown] tags=["instructor"]
# **Before you show the 20 runs,** ask whether one run is enough to believe it. The
# printed count answers that. (The narrow bands describe the mean, not each run.)
# **People ask** why we don't simply stop at the minimum: we will, in the section on
# early stopping. Come back to the vote now.

# %% [markdown]
# ## The learning rate
#
# The next figure shows the same network at four learning rates. Which one is too low,
# and which one is too high? Look at the slope of the curves and at the width of the
# bands.

# %%
rates = fit_many(build, mnist, {"learning_rate": [0.003, 0.03, 0.3, 1.0],
                                "seed": range(10)}, epochs=8)
ax = plots.lines(rates.loss, "epoch", by="learning_rate",
                 title="Too low is slow; too high is erratic")
_ = ax.set(ylim=(0, 3.2))

# %% [markdown]
# At the lowest rate, the loss falls steadily but far too slowly. At the highest rate,
# the steps overshoot, and the runs differ widely.
#
# To find a good rate, you can use a **range test** (Smith 2017): take about a hundred
# steps, raise the learning rate at every step, and record the loss. This ruins the
# network, so build a new one afterward.

# %%
import numpy as np

keras.utils.set_random_seed(0)
model = build()
model.compile(keras.optimizers.SGD(), loss="sparse_categorical_crossentropy")
test_rates, losses = np.geomspace(0.001, 10, 120), []
rng = np.random.default_rng(0)
for rate in test_rates:
    batch = rng.choice(len(mnist.x_train), 32, replace=False)
    model.optimizer.learning_rate = rate
    model.reset_metrics()    # otherwise, Keras reports a running mean
    losses.append(model.train_on_batch(mnist.x_train[batch],
                                       mnist.y_train[batch]))

# %%
smooth = np.convolve(losses, np.ones(9) / 9, mode="valid")
lowest = test_rates[4:-4][smooth.argmin()]
ax = plots.axes()
ax.semilogx(test_rates[4:-4], smooth, marker="")
ax.axvline(lowest, color="0.4", linestyle=":", marker="")
_ = ax.set(xlabel="learning rate", ylabel="training loss", ylim=(0, 5),
           title="The loss falls until the rate is too high")

# %% [markdown]
# At the lowest rates, the loss hardly changes. Beyond the dotted line, it rises again.
# A common rule is to use between a tenth and a third of the rate at the line. Is the
# best rate in that range? We train ten networks at each of ten rates.

# %%
sweep = fit_many(build, mnist, {"learning_rate": np.geomspace(0.003, 3, 10),
                                "seed": range(10)}, epochs=8)
score = sweep.val_accuracy.isel(epoch=-1)
best = float(score.mean("seed").idxmax("learning_rate"))
ax = plots.lines(score, "learning_rate",
                 title="The best rate is above the suggested range (gray)")
ax.axvspan(lowest / 10, lowest / 3, color="0.85", zorder=0)
print(f"range test: {lowest / 10:.3f} to {lowest / 3:.3f}; best: {best:.2f}")

# %% [markdown] tags=["instructor"]
# **Let them read the rate** off the range test before you show the sweep. The test
# finds a rate that works, not the best one: it doesn't know how long we'll train.
# **People ask** which rate to take for Adam. The same procedure works; the good region
# is usually lower. Next comes the lab.

# %% [markdown]
# The suggested rates work, but a higher rate does at least as well. The test takes only
# one step at each rate, so it can't predict a whole run. Use it to choose where to
# search, and include higher rates.
#
# A well-known textbook says that if you have time to tune only one hyperparameter, you
# should tune the learning rate (Goodfellow et al. 2016). Our figure shows how much it
# can matter: at about five times the best rate, the network learns almost nothing.

# %% [markdown]
# ## The lab
#
# The lab trains ten networks at a time to separate two classes of points. On the left
# are their boundaries; on the right, their losses. The second cell opens a similar lab
# for your own network and data. Put your arrays in
# `datasets.Split("mine", x_train, y_train, x_val, y_val)`. Here, the network is our
# digit classifier, trained with Adam.

# %%
from course_utils import labs

labs.playground(data="spirals", noise=0.1)

# %% [markdown] tags=["instructor"]
# **Try this, answered.** As the rate rises, the curves become erratic first; a little
# later, the boundaries scatter, and then nothing is learned at all. With few units,
# both losses stay high, and the ten boundaries disagree. With many units on noisy
# moons, the training loss keeps falling while the validation loss rises, and the
# boundaries wrap around individual points. **Ask** after each figure which section of
# this lecture it belongs to.

# %%
labs.playground(build_model=build, data=mnist)

# %% [markdown]
# ## Learning-rate schedules
#
# Early in training, a high learning rate makes fast progress; later, it keeps the
# weights from settling. A **schedule** lowers the rate as training goes on. A popular
# one follows half a period of a cosine, down to zero (Loshchilov & Hutter 2017). We
# compare it with a constant rate on MNIST-1D, a set of short artificial signals in ten
# classes; `models.mlp` is a network like the one above. On the left, look at the second
# half of training. On the right, find the best rate with and without the schedule.

# %%
from course_utils import models

STEPS = 1200
cosine = keras.optimizers.SGD(
    keras.optimizers.schedules.CosineDecay(0.1, decay_steps=STEPS),
    name="cosine")    # the grid below replaces 0.1
constant = keras.optimizers.SGD(name="constant")
signals = datasets.mnist1d(seed=0)
runs = fit_many(models.mlp, signals, {
    "optimizer": [constant, cosine], "depth": 2, "seed": range(10),
    "learning_rate": [0.03, 0.1, 0.3, 0.6, 1]}, steps=STEPS, evaluate_every=60)

# %%
figure, (left, right) = plots.panels(2)
accuracy = runs.val_accuracy
_ = plots.lines(accuracy.sel(learning_rate=0.6), "step", by="optimizer",
                title="At rate 0.6, the schedule helps late", ax=left)
_ = plots.lines(accuracy.isel(step=-1), "learning_rate", by="optimizer",
                title="The schedule's best rate is higher", ax=right)

# %% [markdown] tags=["instructor"]
# **Ask** why the orange curve ends higher: as the rate falls, the steps become too
# small to jump around the minimum. Then point to the right panel: a fair comparison
# uses the best rate for each of the two. **People ask** about warm-up and one-cycle
# schedules; see appendix A4. Next, we'll see how much a schedule gains on each of six
# data sets.

# %% [markdown]
# At rate 0.6, the schedule is clearly ahead in the second half of training. It does
# best at the highest rate that we tried; without it, a lower rate is best. At the two
# lowest rates, the schedule is *worse*, probably because its average rate is only half
# as high.
#
# How much does a schedule gain over a constant rate if both rates are tuned? In the
# next figure, each row is a data set. Compare its interval with zero and with one point
# of accuracy (dashed). The printed line is for our running example, a CNN that
# classifies emoji; it adds a schedule *and* four times as many steps.

# %%
from course_utils import claims
from course_utils.experiments import scoreboard

_ = claims.forest("tc-decay")
gain = scoreboard.gains().sel(row="schedule", artist="google")
print(f"emoji classifier: {100 * gain['mean']:+.1f} points "
      f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]")

# %% [markdown]
# Within 600 steps, the schedule gains clearly more than a point on MNIST-1D. On four
# other data sets, it gains less than a point; on one of them, `digits`, a constant rate
# is better. The results for `tones` and for our CNN (not the network in the emoji row)
# are inconclusive. One possible reason, which we don't test: once a network fits all of
# its training data, its gradients are tiny, so the rate hardly matters.
#
# With a schedule, train until it ends. If you can afford more steps, start over with a
# longer schedule.

# %% [markdown]
# ## Early stopping
#
# The other way to end training is to stop when the validation loss no longer improves.
# `EarlyStopping` waits for `patience` epochs without improvement. Which weights does
# the network have after that?

# %%
for restore in (False, True):
    keras.utils.set_random_seed(0)
    stop = keras.callbacks.EarlyStopping(
        patience=3, restore_best_weights=restore)
    model, history = train(keras.optimizers.Adam(0.003), 25, callbacks=[stop])
    final, _ = model.evaluate(mnist.x_val, mnist.y_val, verbose=0)
    print(f"restore_best_weights={restore}: stopped after epoch "
          f"{len(history.epoch)}; validation loss at its lowest "
          f"{min(history.history['val_loss']):.3f}, at the end {final:.3f}")

# %% [markdown] tags=["instructor"]
# **Ask for a show of hands** before you run the cell: who thinks that the model has its
# best weights? By default, it has the last ones. **People ask** how large the patience
# should be: long enough to outlast the usual bumps in the validation loss. With a
# schedule, don't stop early at all. Next, the doctor looks at a run that failed.

# %% [markdown]
# By default, the model keeps its *last* weights, after three more epochs of
# overfitting. With `restore_best_weights=True`, Keras restores the weights of the epoch
# with the lowest validation loss, even if training wasn't stopped early. It doesn't
# restore the optimizer's state. If you need only the classes, set
# `monitor="val_accuracy"`.
#
# The validation score at the restored epoch is slightly optimistic, because the same
# images were used to choose the epoch. For an unbiased score, use the test set once.

# %% [markdown]
# ## Ask the doctor
#
# Here is a run that failed. What do you think went wrong?

# %%
keras.utils.set_random_seed(0)
failed, history = train(keras.optimizers.SGD(1.5), epochs=8)
_ = plots.history(history, title="What is wrong with this run?")

# %% [markdown]
# `doctor.examine` looks for the problems in this lecture and for many others.

# %%
from course_utils import doctor

report = doctor.examine(failed, (mnist.x_train, mnist.y_train),
                        (mnist.x_val, mnist.y_val), history=history)
report

# %% [markdown]
# The doctor suspects that the learning rate is too high. The last line says how often
# this diagnosis was right in a simulation; some others are right much less often.
# `report.try_fix()` tests the diagnosis. The [symptom guide](whats_wrong.md) covers
# many symptoms, such as these:
#
# | what you see | what it may mean |
# |---|---|
# | training and validation both poor | network too small, training too short |
# | training accuracy rises, validation accuracy falls | overfitting to label noise |
# | validation too good to be true | a leak: shared samples |
# | validation poor from the start | not shuffled, or preprocessed differently |
# | validation better than training | averaging over the epoch, dropout |

# %% [markdown]
# ## On your own network
#
# The next cell needs only Keras and Matplotlib. Replace what is marked `yours`. The
# cell after it shows a common mistake: `decay_steps` counts *batches*, but the first
# run passes the number of epochs. So the rate reaches zero after six batches.

# %%
import math

import matplotlib.pyplot as plt

model = build()                                       # yours
x_train, y_train = mnist.x_train, mnist.y_train       # yours
epochs = 6
steps = epochs * math.ceil(len(x_train) / 32)         # batches of 32
schedule = keras.optimizers.schedules.CosineDecay(0.3, decay_steps=steps)
model.compile(keras.optimizers.SGD(schedule), metrics=["accuracy"],
              loss="sparse_categorical_crossentropy")
history = model.fit(x_train, y_train, epochs=epochs, verbose=0,
                    validation_data=(mnist.x_val, mnist.y_val)).history  # yours
for name in ("loss", "val_loss"):
    plt.plot(history[name], label=name)
_ = plt.gca().set(title="A run of my own network", xlabel="epoch", ylabel="loss")
_ = plt.legend()

# %%
for decay_steps in (epochs, steps):
    keras.utils.set_random_seed(0)
    schedule = keras.optimizers.schedules.CosineDecay(0.3, decay_steps)
    _, history = train(keras.optimizers.SGD(schedule), epochs)
    print(f"decay_steps={decay_steps}: validation accuracy "
          f"{history.history['val_accuracy'][-1]:.3f}")

# %% [markdown]
# Another common mistake: `validation_split=0.2` takes the *last* fifth of the arrays,
# before shuffling. If the samples are sorted by class, the network is validated on
# classes that it has never seen. **Fix:** shuffle once, before `fit`.

# %%
order = np.argsort(y_train, kind="stable")
shuffled = np.random.default_rng(0).permutation(order)
for name, rows in {"sorted": order, "shuffled": shuffled}.items():
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    history = model.fit(x_train[rows], y_train[rows], epochs=3, verbose=0,
                        validation_split=0.2)
    print(f"{name}: {history.history['val_accuracy'][-1]:.3f}")

# %% [markdown]
# ## What to remember
#
# - If the validation loss rises while the accuracy stays the same, the network is
#   becoming overconfident.
# - Start with the rates that a range test suggests, and then try higher ones.
# - Try a schedule, but compare it with a constant rate that is tuned just as well.
# - When you stop early, restore the best weights.
#
# **Next:** [Lecture 03](03_better_or_lucky.ipynb) asks how many runs it takes to
# compare two networks. Exercise {{exercise}} gives you curves to diagnose. Appendix
# [A4](A4_more_on_training.ipynb) has more schedules, callbacks, and problems.
#
# **References.** Smith: *Cyclical learning rates*, WACV 2017. Goodfellow, Bengio &
# Courville: *Deep learning*, 2016. Loshchilov & Hutter: *SGDR*, ICLR 2017.
