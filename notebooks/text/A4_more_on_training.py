# ---
# jupyter:
#   course:
#     minutes: 40
# ---

# %% [markdown]
# # What else happens in training?
#
# Lecture 02 covers the patterns that you'll meet most often. This appendix has the rest:
# more learning-rate schedules and callbacks, and problems that are rarer or harder to
# see. Read the sections you need; after the first cell, each one works on its own.
#
# The appendix takes about {{minutes}} minutes. You should have finished lecture 02.

# %%
import keras
import numpy as np
import xarray as xr

from course_utils import datasets, fit_many, models, plots, stats

digits = datasets.digits(seed=0)


def train(data=digits, epochs=20, **knobs):
    usual = {"learning_rate": 0.1, "seed": range(10)}
    return fit_many(models.mlp, data, usual | knobs, epochs=epochs)

# %% [markdown]
# ## Other schedules
#
# A **step decay** divides the rate by a constant at regular intervals. **Warm-up** starts at a
# low rate and raises it, because large steps at the start can be unstable (Goyal et al.
# 2017). A **one-cycle** schedule raises the rate for a large part of training, here the
# first third, and then lowers it (Smith 2018). Any class with a method
# `__call__` can be a schedule. The next figure shows how the rate changes.

# %%
STEPS, TOP = 660, 0.5


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Raise the rate for some steps, and then follow a cosine down to zero."""

    def __init__(self, steps):
        self.steps = steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        share = (step - self.steps) / (STEPS - self.steps)
        return TOP * keras.ops.where(step < self.steps, step / self.steps,
                                     0.5 * (1 + keras.ops.cos(np.pi * share)))

# %%
schedules = {
    "cosine": keras.optimizers.schedules.CosineDecay(TOP, STEPS),
    "steps": keras.optimizers.schedules.ExponentialDecay(
        TOP, STEPS // 3, 0.1, staircase=True),
    "warm-up": WarmUp(60),
    "one-cycle": WarmUp(STEPS // 3)}
ax = plots.axes()
for name, schedule in schedules.items():
    ax.plot([float(schedule(step)) for step in range(STEPS)], label=name,
            marker="")
_ = ax.legend()
_ = ax.set(xlabel="step", ylabel="learning rate", title="Each schedule ends with a low rate")

# %% [markdown]
# Which one is best? We train a small network on MNIST-1D with each schedule. Look at how
# much the intervals overlap.

# %%
signals = datasets.mnist1d(seed=0)
optimizers = [keras.optimizers.SGD(schedule, name=name)
              for name, schedule in schedules.items()]
runs = fit_many(models.mlp, signals, {"optimizer": optimizers, "depth": 2,
                                      "seed": range(10)}, steps=STEPS)
last = runs.val_accuracy.isel(step=-1)
_ = plots.intervals({name: stats.interval(last.sel(optimizer=name))
                     for name in schedules}, xlabel="validation accuracy",
                    title="Most of the intervals overlap")

# %% [markdown]
# Most of the intervals overlap. All four schedules use the same top rate here. At its own
# best rate, each of them might do better, so this figure doesn't tell you which is best.

# %% [markdown]
# ## Plateaus
#
# `ReduceLROnPlateau` lowers the rate when the validation loss stops improving. If
# `patience` is short, a few epochs without improvement can make the rate so low that the
# network stops learning. A network with three hidden layers of sigmoid units starts on a
# plateau, and the callback mistakes this plateau for the end of training. Here,
# `min_delta=0.05` means that smaller improvements don't count.

# %%
def reduced(patience):
    callback = keras.callbacks.ReduceLROnPlateau(
        factor=0.1, patience=patience, min_delta=0.05)
    return fit_many(models.mlp, digits, {"learning_rate": 0.3, "seed": range(10),
                                         "activation": "sigmoid"},
                    epochs=60, callbacks=[callback]).val_accuracy


both = xr.concat([reduced(2), reduced(20)],
                 xr.Variable("patience", [2, 20]))
_ = plots.lines(both, "epoch", by="patience",
                title="With a short patience, little is learned")

# %% [markdown]
# A plateau says only that the loss doesn't fall *now, at this rate*. It may be a minimum,
# a flat region like this one, or the jumps of a rate that is too high. **Fix:** a longer
# patience, or a schedule that doesn't depend on a noisy number.

# %% [markdown]
# ## Gradient clipping
#
# Clipping limits the norm of the gradient. It helps when a few batches have huge
# gradients, as in recurrent networks. It can also hide a learning rate that is too high.
# Here, the rate is far too high. Compare training without clipping and with
# `global_clipnorm=1`.

# %%
clipped = [fit_many(models.mlp, digits, {"learning_rate": 1.0, "seed": range(10)},
                    epochs=10, optimizer=keras.optimizers.SGD(
                        global_clipnorm=norm)).val_accuracy
           for norm in (None, 1.0)]
both = xr.concat(clipped, xr.Variable("clipping", ["none", "at norm 1"]))
_ = plots.lines(both, "epoch", by="clipping",
                title="Clipping rescues a rate that is too high")

# %% [markdown]
# ## Checkpoints and TensorBoard
#
# `ModelCheckpoint` saves the model during training, so you lose little if the training is
# interrupted. `CSVLogger` writes the scores of each epoch to a file. `TensorBoard` plots
# the scores in your browser while the network trains. To use it, run
# `pip install tensorboard`, add `keras.callbacks.TensorBoard("logs")` to the callbacks,
# and run `tensorboard --logdir logs` in a terminal.

# %%
import pathlib
import tempfile

folder = pathlib.Path(tempfile.mkdtemp())
keras.utils.set_random_seed(0)
model = models.mlp()
model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
              loss="sparse_categorical_crossentropy")
model.fit(digits.x_train, digits.y_train, epochs=3, verbose=0,
          validation_data=(digits.x_val, digits.y_val), callbacks=[
              keras.callbacks.ModelCheckpoint(folder / "best.keras",
                                              save_best_only=True),
              keras.callbacks.CSVLogger(folder / "log.csv")])
loaded = keras.models.load_model(folder / "best.keras")
same = np.allclose(loaded.predict(digits.x_val, verbose=0),
                   model.predict(digits.x_val, verbose=0))
print("the saved model gives the same predictions:", same)

# %% [markdown]
# Here, the last epoch was the best one, so the saved model is the trained one.

# %% [markdown]
# ## Penalties in the validation loss
#
# With an L2 penalty in the model, Keras adds the penalty to both losses. So `val_loss`
# can fall just because the weights shrink, and a callback that monitors it counts this
# as an improvement. Compare `val_loss` with a metric that doesn't include the penalty.

# %%
cross = keras.metrics.SparseCategoricalCrossentropy(name="crossentropy")
keras.utils.set_random_seed(0)
model = models.mlp(l2=0.01)
model.compile(keras.optimizers.SGD(0.1), metrics=[cross],
              loss="sparse_categorical_crossentropy")
history = model.fit(digits.x_train, digits.y_train, epochs=8, verbose=0,
                    validation_data=(digits.x_val, digits.y_val)).history
ax = plots.axes()
for name in ("val_loss", "val_crossentropy"):
    ax.plot(range(1, 9), history[name], label=name, marker="")
_ = ax.set(xlabel="epoch", ylabel="validation", ylim=(0, None),
           title="Most of val_loss is the penalty")
_ = ax.legend()

# %% [markdown]
# **Fix:** monitor a metric that doesn't include the penalty, such as `val_crossentropy`
# here.

# %% [markdown]
# ## Dead units
#
# If a ReLU unit returns zero for *every* training image, its weights get no gradient, so
# it usually stays dead. The next cell counts the dead units in each layer after two
# epochs, first at a rate that is far too high and then at a moderate rate.

# %%
for rate in (1.0, 0.1):
    keras.utils.set_random_seed(1)
    model = models.mlp()
    model.compile(keras.optimizers.SGD(rate),
                  loss="sparse_categorical_crossentropy")
    model.fit(digits.x_train, digits.y_train, epochs=2, verbose=0)
    x, dead = digits.x_train, []
    for layer in model.layers[:-1]:
        x = keras.ops.convert_to_numpy(layer(x))
        if isinstance(layer, keras.layers.Activation):
            dead.append(int((x.max(axis=0) == 0).sum()))
    print(f"rate {rate}: dead units in each layer: {dead}")

# %% [markdown]
# **Fix:** a lower rate, inputs that are scaled (lecture 04), He initialization, or an
# activation such as `leaky_relu`.

# %% [markdown]
# ## A leak
#
# Suppose you have few images, so you make five slightly noisy copies of each. *Then* you
# split the copies into training and validation data. Compare the score on these
# validation images with the score on images that the network has never seen.

# %%
rng = np.random.default_rng(0)
copies = np.resize(np.arange(len(digits.x_train) // 3), 1797)
blurred = digits.x_train[copies] + rng.normal(0, 0.05, (1797, 64))
leaky = datasets.stratified("leaky", blurred.astype("float32"),
                            digits.y_train[copies], seed=0)
honest = leaky.replace(x_val=digits.x_val, y_val=digits.y_val)
_ = plots.intervals(
    {name: stats.interval(train(split).val_accuracy.isel(epoch=-1))
     for name, split in {"copies": leaky, "new images": honest}.items()},
    xlabel="validation accuracy", title="A leak: too good to be true")

# %% [markdown]
# The only symptom of a leak is a score that is too good. **Fix:** split first; copy,
# augment, and select features after that.

# %% [markdown]
# ## Samples that aren't shuffled
#
# Here, the training images are sorted by class. The next figure compares training in this
# order with training on shuffled images.

# %%
order = np.argsort(digits.y_train, kind="stable")
in_order = digits.replace(x_train=digits.x_train[order],
                          y_train=digits.y_train[order])
unshuffled = train(in_order, shuffle=[False, True], epochs=10)
figure, (left, right) = plots.panels(2)
_ = plots.lines(unshuffled.loss, "epoch", by="shuffle", ax=left,
                title="The training loss falls …")
_ = plots.lines(unshuffled.val_accuracy, "epoch", by="shuffle", ax=right,
                title="… but the validation lags far behind")

# %% [markdown]
# When the images are sorted, each batch contains only one or two classes. The network
# learns to predict those and forgets the others. `model.fit` shuffles arrays by
# default, but it doesn't shuffle a `tf.data.Dataset` or a generator. **Fix:** shuffle
# those yourself, for example with `dataset.shuffle`.

# %% [markdown]
# ## Validation better than training
#
# With dropout, the training accuracy is measured with units dropped, and averaged over an
# epoch in which the network still improves. The third curve shows the *training* images,
# measured the way validation images are.

# %%
knobs = {"dropout": 0.5, "depth": 1, "learning_rate": 0.1, "seed": range(10)}
seen = digits.replace(x_val=digits.x_train[:360], y_val=digits.y_train[:360])
dropped = fit_many(models.mlp, digits, knobs, epochs=10)
again = fit_many(models.mlp, seen, knobs, epochs=10)
ways = ["training, as reported", "validation", "training, inference mode"]
both = xr.concat([dropped.accuracy, dropped.val_accuracy, again.val_accuracy],
                 xr.Variable("way", ways))
ax = plots.lines(both, "epoch", by="way", labels={way: way for way in ways},
                 title="Measured alike, most of the gap is gone")
_ = ax.set_ylabel("accuracy")

# %% [markdown]
# Nothing is wrong with this run. But a leak can look the same, so the order of the two
# curves doesn't tell you which it is. **Fix:** compare only scores that were measured in
# the same way.
#
# **References.** L. N. Smith: *A disciplined approach to neural network
# hyper-parameters*, 2018. P. Goyal et al.: *Accurate, large minibatch SGD*, 2017.
