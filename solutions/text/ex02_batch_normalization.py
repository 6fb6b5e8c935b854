# %% [markdown]
# # Exercise 02: write batch normalization, repair it, referee a figure about it
#
# You will
#
# - **write** the layer in NumPy: training, running statistics, inference, the
#   backward pass, and images;
# - **explain** a validation curve that looks broken, and **fix** it without
#   training;
# - **build** a Keras network with a switch for batch normalization, and **measure**
#   the largest learning rate at which it still trains, with and without;
# - **find** three mistakes in a fine-tuning script that runs without a warning;
# - **fold** the layer away;
# - **referee** a figure that looks ready for print.
#
# It takes about two and a half hours, so plan several sittings: questions 2.1 to 2.5
# go with lecture 05, 2.6 and 2.7 with lecture 06, 2.8 to 2.10 and the referee with
# lecture 07, and 2.11 and 2.12 with lecture 08. After a break, run the cells above the
# question you return to; the Run menu has an entry for that.
#
# Replace each `...` with your answer and run the check below it. A check prints one
# line:
#
# - `✓` your answer has every property it should have;
# - `✗` a property is violated, followed by a hint;
# - `·` no answer yet.
#
# There are many right ways to write each answer, and the checks accept them all.
# Numbers may be off by 0.0001, or by 0.01% if they are large: float32 is precise
# enough.
# If you are stuck, press **Hint** below the check. There are three hints for each
# question, and each one says more than the one before. When you are done, click
# **Check my work** at the end. It runs your notebook from top to bottom in a kernel of
# its own. When you click again, only what you have changed runs again.

# %%
from course_utils.checks.exercise import hint, progress

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
# In training, each output column has mean 0 and spread 1. At inference, the same data
# come out almost unchanged because after one batch the running statistics have hardly
# moved.

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
# At inference, there may be only one sample, so there is no batch to average over.
# During training, Keras therefore keeps running averages of $\mu$ and $\sigma^2$.
# Before you write yours, look up what `momentum` multiplies, in lecture 06 or in the
# help of `keras.layers.BatchNormalization`. PyTorch uses the same word for the
# opposite.

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
# Use the same formula with the running statistics in place of $\mu$ and $\sigma^2$.
# A sample's output must not depend on the rest of its batch, and running the layer
# must not change it.

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
# This is the piece that most people get wrong the first time. You are given
# $\partial L / \partial y$, called `dout`, and want the gradients with respect to
# $x$, $\gamma$, and $\beta$. Each $x_{nd}$ affects the loss along three paths:
# directly, through $\mu_d$, and through $\sigma_d^2$. Use pen and paper.
#
# Two questions will tell you whether you forgot a path. What happens to the
# output when you add a constant to a whole feature? And what happens, with a tiny
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
    # Subtract what flows through the mean and the variance.
    dx = gamma / root * (dout - (dbeta + normalized * dgamma) / len(x))
    return dx, dgamma, dbeta
    # END SOLUTION

# %% question="2.4" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.backward(batch_norm_backward)

# %% [markdown]
# ## 2.5 Images
#
# A convolution returns images $x$ of shape $(N, H, W, C)$: $N$ images of $H$ rows,
# $W$ columns, and $C$ channels. A filter does the same thing at every pixel, so a
# feature is now a whole *channel*. How many means and variances are there, and over
# how many numbers is each computed? Write the forward pass for images in training.
# You may use your earlier functions.

# %% question="2.5"
def batch_norm_images(x, gamma, beta, epsilon):
    """Batch normalization of images in training.

    x : (N, H, W, C);  gamma, beta : (C,);  epsilon : float
    returns the output : (N, H, W, C)
    """
    # BEGIN SOLUTION
    # A channel doesn't care which image a pixel comes from.
    rows = x.reshape(-1, x.shape[-1])
    return batch_norm_forward(rows, gamma, beta, epsilon).reshape(x.shape)
    # END SOLUTION

# %% question="2.5" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.images(batch_norm_images)

# %% [markdown]
# ## 2.6 A broken validation curve?
#
# A colleague shows you this run: a network with batch normalization, Keras's
# default momentum of 0.99, batches of 256, and six epochs. Run the cell. What is
# your diagnosis?

# %%
from course_utils import datasets, models, plots

digits = datasets.digits(seed=0)
keras.utils.set_random_seed(0)
shown = models.mlp(batch_norm=True, momentum=0.99)
shown.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy",
              metrics=["accuracy"])
curves = shown.fit(digits.x_train, digits.y_train, batch_size=256, epochs=6,
                   validation_data=(digits.x_val, digits.y_val),
                   verbose=0).history
ax = plots.axes()
for name, label in (("accuracy", "training"), ("val_accuracy", "validation")):
    ax.plot(range(1, 7), curves[name], label=label)
ax.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
ax.set_title("Validation stays far below training")
_ = ax.legend()

# %% [markdown]
# Before you answer, look again. Here is the accuracy of the weights after the last
# epoch, on both sets of images and in both modes. (`stateless_call` does not change the
# model.)

# %%
def accuracy(model, x, y, training):
    answers, _ = model.stateless_call(
        model.trainable_variables, model.non_trainable_variables, x,
        training=training)
    return float((answers.numpy().argmax(1) == y).mean())


images = {"training": (digits.x_train, digits.y_train),
          "validation": (digits.x_val, digits.y_val)}
print(f"{'':19}  inference mode  training mode")
for name, (x, y) in images.items():
    print(f"{name:10} images: {accuracy(shown, x, y, False):14.2f}"
          f"{accuracy(shown, x, y, True):15.2f}")
print(int(np.ceil(len(digits.x_train) / 256)), "batches in an epoch")

# %% [markdown]
# Which of these sentences are true of this run?
#
# - **a.** The network has memorized the training images.
# - **b.** The two curves were taken in different modes of the layer.
# - **c.** More dropout or weight decay would close the gap.
# - **d.** The running statistics still hold most of the values they started from.
# - **e.** The kernels, γ, and β are fine as they are; nothing needs to be retrained.
# - **f.** In production, call the model with `training=True` to make it reliable.
# - **g.** With a momentum of 0.8, and everything else unchanged, the gap would be
#   small.
# - **h.** Batches of 256 are too small for good statistics.
#
# Collect their letters, like `explanation = {"x", "y"}`. Then quantify the effect.
# Write a function that returns two numbers: the fraction of its initial value that a
# running mean still holds after some batches, and the momentum that would leave a
# given fraction after the same number of batches.

# %% question="2.6"
# BEGIN SOLUTION: explanation
explanation = {
    "b",  # fit scores training in training mode, validation at inference
    "d",  # 0.99 to the power of 30 batches: about three quarters remain
    "e",  # the same weights do well when they use the batch's statistics
    "g",  # 0.8 to the power of 30 is almost nothing
}
# a, c: in inference mode the *training* images do just as badly.
# f: then an answer depends on what else is in the batch.
# h: training mode uses these same batches and does well.
# END SOLUTION


def warm_up(momentum, steps, share):
    """How cold a running mean is, and which momentum would warm it up.

    momentum : float;  steps : int, batches so far;  share : float
    returns left, needed : the share of its initial value that is left, and
        the momentum that would leave `share` after that many batches
    """
    # BEGIN SOLUTION
    return momentum**steps, share**(1 / steps)
    # END SOLUTION

# %% question="2.6" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.cold(explanation, warm_up)

# %% [markdown]
# Now apply it to the run above, and suppose that you can tolerate a share of 1%:

# %%
answer = warm_up(0.99, 30, 0.01)
if answer is not None:
    left, needed = answer
    print(f"left: {left:.2f}, needed: {needed:.3f}")

# %% [markdown]
# ## 2.7 Fix it without training
#
# The weights are fine, so keep them. What is missing are the statistics of the inputs
# that each normalization layer gets from real images. Re-estimate them from `x`: a few
# hundred training images, without labels. The kernels, γ, β, and the settings of the
# layers must not change. Only the running statistics change, in *every* layer. To allow
# for batch noise, a mean may be off by a tenth of the feature's standard deviation, and
# the variances by 15%.
#
# There are several ways. Two things may help: `layer.momentum` can be read and
# set, and `model(x, training=True)` updates the running statistics. What would a
# momentum of 0 do?

# %% question="2.7"
def re_estimate(model, x):
    """Give every BatchNormalization of a model the statistics of its inputs.

    model : keras.Sequential, whose running statistics are changed
    x : (N, D), training images
    """
    # BEGIN SOLUTION
    norms = [layer for layer in model.layers
             if isinstance(layer, keras.layers.BatchNormalization)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0   # replace the old value entirely
    model(x, training=True)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    # END SOLUTION

# %% question="2.7" tags=["nbval-check-output"]
from course_utils.checks import pretrained_networks as checks

checks.re_estimated(re_estimate)

# %%
before = accuracy(shown, digits.x_val, digits.y_val, training=False)
re_estimate(shown, digits.x_train)
after = accuracy(shown, digits.x_val, digits.y_val, training=False)
print(f"validation accuracy in inference mode: {before:.2f} → {after:.2f}")

# %% [markdown]
# ## 2.8 The same in Keras, with a switch
#
# Now build and train your own networks. Begin with one for the digits: an input of
# 64 pixels, three hidden `Dense` layers of 64 units with ReLU, and a softmax over ten
# classes. With `batch_norm=True`, put a `BatchNormalization` layer between each hidden
# `Dense` layer and its activation. One part of those `Dense` layers then becomes
# redundant. Which one?
#
# Don't compile the model; `fit_many` handles the training.

# %% question="2.8"
from keras import layers


def build_model(batch_norm):
    """A network for the digits.

    batch_norm : bool
    returns a keras.Model, (None, 64) → (None, 10), not compiled
    """
    # BEGIN SOLUTION
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(3):
        # The normalization would cancel any bias.
        model.add(layers.Dense(64, use_bias=not batch_norm,
                               kernel_initializer="he_normal"))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, activation="softmax"))
    return model
    # END SOLUTION

# %% question="2.8" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.network(build_model)

# %% [markdown]
# ## 2.9 What does "still trains" mean?
#
# Define it before you look at any run, or your definition may favor the answer you
# want. Here it means that *the mean validation accuracy over the seeds in the last
# epoch is at least 0.9.* Write a function that finds the largest such learning rate
# for one network. Later, `fit_many` will give you `runs`: an `xarray.Dataset` whose
# `runs.val_accuracy` has the dimensions `learning_rate`, `batch_norm`, `seed`, and
# `epoch`.
#
# You need only `.sel(batch_norm=…)`, `.isel(epoch=-1)`, and `.mean("seed")`; then
# `.learning_rate` gives the rates.

# %% question="2.9"
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

# %% question="2.9" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.largest(largest_rate)

# %% [markdown]
# ## 2.10 The largest learning rate, measured
#
# Predict first: by what factor can batch normalization raise the largest rate at
# which *your* network trains? Write the number down.
#
# Then train it with `fit_many`, with and without batch normalization, at rates
# evenly spaced on a logarithmic scale and with at least three seeds, for ten
# epochs or more. Choose the rates so that you see the *edge* of both networks: the
# largest rate that trains and a larger one that does not. Around the edge, neighboring
# rates should differ by a factor of 4 or less. Don't change the digits or the other
# arguments of `fit_many`. A hundred networks take a few seconds.

# %% question="2.10"
from course_utils import datasets, fit_many, plots

digits = datasets.digits()
# BEGIN SOLUTION: runs
runs = fit_many(build_model, digits, epochs=10, grid={
    "learning_rate": np.logspace(-1.75, 1, 12),
    "batch_norm": [False, True], "seed": range(5)})

for batch_norm in (False, True):
    print(f"batch_norm={batch_norm}: {largest_rate(runs, batch_norm):.2g}")
ax = plots.lines(runs.val_accuracy.isel(epoch=-1), "learning_rate",
                   by="batch_norm",
                   title="Batch norm trains at higher rates")
_ = ax.axhline(0.9, color="0.4", linewidth=1)
# END SOLUTION

# %% question="2.10" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.sweep(runs)

# %% [markdown]
# Compare the result with your prediction. You have *not* measured whether the larger
# rate is of any use. In lecture 07, each network was given its own best rate before
# the two were compared.

# %% [markdown]
# ## 2.11 Three mistakes in a fine-tuning script
#
# A network has learned the digits 0 to 4. Its hidden layers, the *base*, should help
# with a new task: the digits 5 to 9, of which you have 96 images. The usual recipe has
# two phases. First, train a new head while the base is frozen. Then unfreeze the base
# and train everything with a small learning rate. All these digits were scanned the
# same way, so the base should keep its running statistics in both phases: batches of 8
# new images are too small to improve them.

# %%
def pretrained():
    """Two normalized hidden layers that have learned the digits 0 to 4."""
    keras.utils.set_random_seed(0)
    base = keras.Sequential([keras.Input((64,))], name="base")
    for _ in range(2):
        base.add(layers.Dense(32, use_bias=False))
        base.add(layers.BatchNormalization(momentum=0.9))
        base.add(layers.ReLU())
    whole = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    whole.compile(keras.optimizers.Adam(0.01),
                  "sparse_categorical_crossentropy")
    old = digits.y_train < 5
    whole.fit(digits.x_train[old], digits.y_train[old], epochs=5, verbose=0)
    return base


few = np.flatnonzero(digits.y_train >= 5)[:96]
x_new, y_new = digits.x_train[few], digits.y_train[few] - 5
print("images of the new task:", x_new.shape, "with labels 0 to", y_new.max())

# %% [markdown]
# Here is a colleague's script and its result.

# %%
def as_found(base, x, y):
    inputs = keras.Input((64,))
    z = base(inputs, training=False)     # the base keeps its statistics
    z = layers.Dense(16, use_bias=False)(z)
    z = layers.BatchNormalization()(z)
    z = layers.ReLU()(z)
    outputs = layers.Dense(5, activation="softmax")(z)
    model = keras.Model(inputs, outputs)

    base.trainable = False               # first, the new head alone
    model.compile(keras.optimizers.Adam(0.01),
                  "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=8, epochs=4, verbose=0)

    base.trainable = True                # then everything, carefully
    model.optimizer.learning_rate = 0.001
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    return model


found = as_found(pretrained(), x_new, y_new)
new = digits.y_val >= 5
score = accuracy(found, digits.x_val[new], digits.y_val[new] - 5, False)
print(f"validation accuracy: {score:.2f}")

# %% [markdown]
# There is no error and no warning, and most answers are right. But the script does not
# do what its comments say: it contains three mistakes. Write a version without them.
# When it is done,
#
# 1. the second phase has continued to train the kernels of the base;
# 2. the running statistics of the base are unchanged;
# 3. the running statistics of the *new* normalization match its inputs.
#
# The check allows for some noise. It requires that the new running mean has covered at
# least 65% of the way from its start, that each phase uses at least half of the
# images, that no batch of the second phase changes the kernels of the base by more
# than 3% of their norm (Adam with a learning rate of 0.001 stays below 1%), and
# that at least 70% of the answers on `x` are right.
#
# Copy the script, fix it, and run the check after each step, because one mistake hides
# another. Don't trust a comment, or a recipe that you remember. Check whether the
# weights have moved: compare `base.get_weights()` before and after.

# %% question="2.11"
def fine_tune(base, x, y):
    """Train a new head for five classes, then the base too.

    base : keras.Sequential with BatchNormalization, (None, 64) → (None, 32)
    x : (N, 64);  y : (N,), from 0 to 4
    returns the trained keras.Model, (None, 64) → (None, 5), made of
    Keras's own layers, so that it can be saved
    """
    # BEGIN SOLUTION
    inputs = keras.Input((64,))
    z = base(inputs)
    z = layers.Dense(16, use_bias=False)(z)
    # With 12 batches per epoch, 0.99 would stay cold to the end.
    z = layers.BatchNormalization(momentum=0.9)(z)
    z = layers.ReLU()(z)
    outputs = layers.Dense(5, activation="softmax")(z)
    model = keras.Model(inputs, outputs)

    base.trainable = False
    model.compile(keras.optimizers.Adam(0.01),
                  "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=8, epochs=4, verbose=0)

    base.trainable = True
    for layer in base.layers:
        # fit calls the model with training=True, which overrides any
        # earlier setting, but a frozen layer stays in inference mode.
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    # Changes of trainable take effect only when you compile again.
    model.compile(keras.optimizers.Adam(0.001),
                  "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    return model
    # END SOLUTION

# %% question="2.11" tags=["nbval-check-output"]
from course_utils.checks import pretrained_networks as checks

checks.fine_tuned(fine_tune)

# %% [markdown]
# Is yours more accurate than your colleague's? One run each cannot tell you; at the end
# of this exercise, you can try ten. But you do know that yours does what it says.

# %% [markdown]
# ## 2.12 Fold the layer away
#
# At inference, batch normalization only multiplies and adds, and so does the `Dense`
# layer before it. Two such steps can be combined: with a different kernel and bias, the
# `Dense` layer does the work of both. Many networks are made smaller and faster this
# way before deployment.
#
# Start from $\gamma\,(xW + b - m)/\sqrt{v + \varepsilon} + \beta$ and separate what
# multiplies $x$ from what does not. The `Dense` layer may have no bias, but the folded
# layer always needs one.

# %% question="2.12"
def fold(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon):
    """One Dense layer that replaces Dense and BatchNormalization.

    kernel : (D, K);  bias : (K,) or None
    gamma, beta, moving_mean, moving_variance : (K,);  epsilon : float
    returns kernel, bias : (D, K), (K,)
    """
    # BEGIN SOLUTION
    scale = gamma / np.sqrt(moving_variance + epsilon)
    if bias is None:
        bias = np.zeros(len(scale))
    return kernel * scale, (bias - moving_mean) * scale + beta
    # END SOLUTION

# %% question="2.12" tags=["nbval-check-output"]
from course_utils.checks import pretrained_networks as checks

checks.folded(fold)

# %% [markdown]
# Try it on the first two layers of the network from 2.6, which have no bias:

# %%
dense, norm = shown.layers[:2]
numbers = [weight.numpy() for weight in (
    norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)]
folded = fold(dense.kernel.numpy(), None, *numbers, norm.epsilon)
if folded is not None:
    both = norm(dense(digits.x_val)).numpy()
    one = digits.x_val @ folded[0] + folded[1]
    print("largest difference below 0.0001:", np.abs(both - one).max() < 1e-4)

# %% [markdown]
# ## 2.13 You are the referee
#
# A manuscript arrives. Its figure is below, and its caption reads:
#
# > *Validation accuracy on handwritten digits (pixel values 0 to 16) of a network
# > with three hidden layers of sigmoid units, weights drawn from N(0, 0.05²),
# > stochastic gradient descent with learning rate 0.01. Both networks start from
# > the same random seed.*
#
# Run the cell and study the figure for a minute.

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
    ax.plot(curve.epoch, curve, label=plots.value_label("batch_norm", batch_norm))
ax.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
ax.set_title("Networks need batch norm in order to learn")
_ = ax.legend()

# %% [markdown]
# Your fellow referees raise these objections. Which of them are right?
#
# - **a.** There is only one run of each. Nobody can tell how much of the gap would
#   remain with another seed.
# - **b.** Both use the same learning rate. At another rate, the order of the curves
#   might be different.
# - **c.** Both networks start from the same seed. They should have been given
#   different ones, so that the runs are independent.
# - **d.** The network with batch normalization has many more trainable parameters,
#   so it had to win.
# - **e.** The plain network is a straw man: unscaled pixels, sigmoid units, and
#   arbitrary small weights hold it back, and all three are easy to fix.
# - **f.** Validation accuracy is the wrong metric. Accuracy on the training data
#   shows whether a network learns.
# - **g.** The title makes a claim about networks in general. The figure shows one
#   network on one data set.
# - **h.** The vertical axis should be logarithmic; the gap is an effect of the
#   axis.
#
# Collect the letters of the valid objections, like `flaws = {"x", "y"}`.

# %% question="2.13"
# BEGIN SOLUTION: flaws
flaws = {
    "a",  # no second seed, no interval: the gap may be luck
    "b",  # each network deserves its own best rate
    "e",  # fixed, and at its own best rate, the plain one nearly keeps up
    "g",  # one network, one data set, and a claim about all of them
}
# c: the common seed pairs the runs, and pairs need fewer seeds.
# d: two extra parameters for a unit that has 64 weights or more.
# f: accuracy on training data also rewards memorization.
# h: no transformation of the axis changes which curve is on top.
# END SOLUTION

# %% question="2.13" tags=["nbval-check-output"]
from course_utils.checks import batch_normalization as checks

checks.referee(flaws)

# %% [markdown]
# ## Done?
#
# Click the button. If all thirteen lines begin with `✓`, you have written batch
# normalization from scratch, repaired a network that others would have retrained, and
# learned how to judge the next figure about it. (`course check 2` in a terminal does
# the same.)

# %%
progress()

# %% [markdown]
# **Going further.** Give the manuscript what it lacks: ten seeds, five learning rates,
# and scaled pixels. What would an honest title say? Then fine-tune ten times with your
# colleague's script and ten times with yours, seed by seed. Do the mistakes matter,
# and which of the three matters most?
