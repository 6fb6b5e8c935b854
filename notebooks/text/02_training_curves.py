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
# By the end, you'll be able to
#
# - tell a healthy run from one that overfits, is too slow, or doesn't learn;
# - find a learning rate that works in a minute;
# - decide whether to use a schedule, and when to stop training;
# - ask the doctor about a run that doesn't work.
#
# The lecture takes about {{minutes}} minutes. You should know how to build and fit a
# small network in Keras.
#
# ## Make a guess first

# %%
from course_utils import quiz

quiz.ask("02", "loss_up_accuracy_flat")

# %% [markdown] tags=["instructor"]
# **Take a vote** and don't resolve it; the section on overfitting will. Most people
# choose between “it is overfitting” and “the loss is broken”. The next figure is a run
# in which nothing is wrong. **People ask** which of the two numbers they should look
# at. Answer: that depends on what the network is used for, and we'll come back to it.

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
# is lower than the validation loss. A gap like this is normal, because the network has
# seen the training images several times and the validation images never. Don't worry
# until the validation loss *rises*.
#
# Why is the training loss *higher* in the first epochs? Keras averages it over the
# whole epoch, including the first steps, when the network knew nothing. The validation
# loss is measured at the end of the epoch.

# %% [markdown] tags=["instructor"]
# **Give them a minute.** All other runs will be compared with this figure. **People
# ask:** “The gap is growing at the end. Is that overfitting?” Not yet: the validation
# loss hasn't risen. Next, the same network simply goes on training.

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
                  title="The validation loss rises; the accuracy stays")

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
# After 25 epochs, the network is more confident, most of all when it is wrong. So the
# answer to our opening question is: yes, it is overfitting. Whether you should care
# depends on what you use the network for. If you need only the predicted class, the
# extra epochs did no harm here. If you need reliable probabilities, stop when the
# validation loss is lowest.
#
# Could this be one unlucky run? The course's helper `fit_many` trains many Keras
# networks at the same time, by default with plain SGD. Here it trains 20, each with
# different initial weights and a different order of the training images. The lines are
# means, and the bands are 95% confidence intervals.

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

# %% [markdown] tags=["instructor"]
# **Before you show the 20 runs,** ask whether one run is enough to believe it. The
# bands are narrow, so the pattern is not an accident. **People ask** why we don't
# simply stop at the minimum: we will, in the section on early stopping. Come back to
# the vote now.

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
# At the lowest rate, nothing is wrong except the pace: the loss falls steadily, and the
# runs agree with each other. At the highest rate, the steps are so large that they
# overshoot, and the runs differ widely.
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
# On the left, the rate is too low to make a difference. To the right of the dotted
# line, the loss rises again. A common rule is to use between a tenth and a third of the
# rate at the line. Is that the best rate? We train ten networks at each of ten rates.

# %%
sweep = fit_many(build, mnist, {"learning_rate": np.geomspace(0.003, 3, 10),
                                "seed": range(10)}, epochs=8)
score = sweep.val_accuracy.isel(epoch=-1)
best = float(score.mean("seed").idxmax("learning_rate"))
ax = plots.lines(score, "learning_rate",
                 title="Gray: what the range test suggests")
ax.axvspan(lowest / 10, lowest / 3, color="0.85", zorder=0)
print(f"range test: {lowest / 10:.3f} to {lowest / 3:.3f}; best: {best:.2f}")

# %% [markdown] tags=["instructor"]
# **Let them read the rate** off the range test before you show the sweep. The test
# finds a rate that works, not the best one: it doesn't know how long we'll train.
# **People ask** which rate to take for Adam. The same procedure works; the good region
# is usually lower. Next comes the lab.

# %% [markdown]
# The suggested rates work, but a higher rate does at least as well. The test can't know
# that, because it takes only one step at each rate. So use it to choose where to
# search, and include higher rates.
#
# A well-known textbook says that if you have time to tune only one hyperparameter, you
# should tune the learning rate (Goodfellow et al. 2016). The figure fits that advice:
# at the best rate, this network is good, and at one about five times as high, it learns
# almost nothing.

# %% [markdown]
# ## The lab
#
# The lab trains ten networks at a time to separate two classes of points. On the left
# are their boundaries; on the right, their losses. Below are three things to try. The
# second cell opens the same controls for a network and data of your own, such as
# `datasets.Split("mine", x_train, y_train, x_val, y_val)`. Here it's our digit
# classifier, trained with Adam.

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
# classes; `models.mlp` is a network like the one above. On the left, look at the last
# third of training. On the right, find the best rate for each.

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
                title="The best rate is higher with it", ax=right)

# %% [markdown] tags=["instructor"]
# **Ask** why the orange curve rises when the rate goes to zero: small steps no longer
# jump around the minimum. Then point to the right panel: a fair comparison gives each
# of the two its own best rate. **People ask** about warm-up and one-cycle schedules:
# those are in appendix A4. Next, six data sets show how much a schedule gains, and on
# which.

# %% [markdown]
# With a constant rate of 0.6, the accuracy levels off early. With the schedule, it
# keeps rising as the rate falls. The schedule also does best with a higher initial
# rate. At the lowest rate, it is *worse*, because its average rate is only half as
# high.
#
# How much does a schedule gain if each of the two starts at its own best rate? In the
# next figure, each row is a data set. Its interval is compared with one point of
# accuracy (dashed) and with no effect (thin line). The printed line is about our
# running example, a CNN that classifies emoji, with a schedule and four times as many
# steps.
# %%
from course_utils import claims
from course_utils.experiments import scoreboard

_ = claims.forest("tc-decay")
gain = scoreboard.gains().sel(row="schedule", artist="google")
print(f"emoji classifier: {100 * gain['mean']:+.1f} points "
      f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]")

# %% [markdown]
# Within 600 steps, the schedule gains clearly more than a point on MNIST-1D. On four of
# the other data sets, it doesn't; on one of these, the digits, a constant rate is
# better. The tones and our emoji CNN leave the question open. A likely reason: once a
# network fits all of its training data, its gradients are tiny, and a schedule has
# nothing left to calm down.
#
# A schedule also tells you how long to train: until it ends. If you can afford more
# steps, start again with a longer one.

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
# should be: larger than the usual bumps in the validation loss, and with a schedule,
# better not to stop at all. Next, the doctor looks at a run that failed.

# %% [markdown]
# By default, the model keeps its *last* weights, which had three more epochs to overfit.
# With `restore_best_weights=True`, Keras puts back the weights of the epoch with the
# lowest validation loss, even if training ran to its end. It doesn't restore the
# optimizer's state. If you need only the classes, set `monitor="val_accuracy"`. If you
# use a schedule, let it run to its end.
#
# The restored score looks a little better than it is, because the same images chose the
# epoch and gave the score. An honest score comes from the test set, used once.

# %% [markdown]
# ## Ask the doctor
#
# Here is a run that failed. What would you say is wrong with it?

# %%
keras.utils.set_random_seed(0)
failed, history = train(keras.optimizers.SGD(1.5), epochs=8)
_ = plots.history(history, title="What is wrong with this run?")

# %% [markdown]
# `doctor.examine` compares a run with the patterns of this lecture and with others.

# %%
from course_utils import doctor

doctor.examine(failed, (mnist.x_train, mnist.y_train),
               (mnist.x_val, mnist.y_val), history=history)

# %% [markdown]
# `report.try_fix()` tests the diagnosis. The last line says how often it was right in a
# simulation; some diagnoses are right much less often. The
# [symptom guide](whats_wrong.md) covers each symptom. A few of them:
#
# | what you see | what it may mean |
# |---|---|
# | both scores poor, no gap | network too small, training too short |
# | training accuracy rises, validation accuracy falls | overfitting to label noise |
# | validation too good to be true | the same samples in both parts (a leak) |
# | validation poor from the start | not shuffled, or prepared differently |
# | validation better than training | averaging over the epoch, dropout |
# | with batch norm, validation lags | running averages (lecture 06) |

# %% [markdown]
# ## On your own network
#
# The next cell uses nothing but Keras and Matplotlib. Put in your own model and your
# own arrays. The cell after it shows a mistake that is often reported: `decay_steps`
# counts *batches*, not epochs. In its first run, the rate reaches zero after six
# batches.

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
                    validation_data=(mnist.x_val, mnist.y_val)).history
for name in ("loss", "val_loss"):
    plt.plot(history[name], label=name)
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
# - Begin with the rate that a range test suggests, and then try higher ones.
# - Try a schedule, but compare it with a constant rate that is tuned just as well.
# - When you stop early, restore the best weights.
#
# **Next:** [Lecture 03](03_better_or_lucky.ipynb) asks how many runs it takes to
# compare two networks. Exercise {{exercise}} gives you curves to diagnose. Appendix
# [A4](A4_more_on_training.ipynb) has more schedules, callbacks, and faults.
#
# **References.** Smith: *Cyclical learning rates*, WACV 2017. Goodfellow, Bengio &
# Courville: *Deep learning*, 2016. Loshchilov & Hutter: *SGDR*, ICLR 2017.
