# ---
# jupyter:
#   course:
#     minutes: 50
#     exercise: "02"
#     lab: batch_norm_modes
# ---

# %% [markdown]
# # Batch normalization in Keras: which mode, which momentum, which batch?
#
# After this lecture you can
#
# - **put** the layer into a model, and **read** its lines in the summary;
# - **choose** `momentum`, `epsilon`, `center` and `use_bias`, and say why;
# - **tell** training mode from inference mode, and **find** the mistake when the
#   two disagree;
# - **decide** where the layer stands, and how small a batch may be;
# - **name** the normalization that does without a batch.
#
# You need about {{minutes}} minutes. It builds on lecture 05, where you saw what the layer
# computes. Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# You will hear these from people who use the layer every day:
#
# 1. “Put batch norm after the activation.”
# 2. “Batch norm works with any batch size.”
# 3. “Batch norm replaces dropout.”
#
# ## Predict first
#
# Commit yourself before you run anything.

# %%
from course_utils import quiz

quiz.ask("06", "cold")

# %% [markdown] tags=["instructor"]
# **Ask.** “It overfits” is the tempting answer; after one epoch there was no
# time to. Give a hint and no more: what differs between training and
# validation besides the images?

# %% [markdown]
# ## The idea
#
# Begin with the smallest whole example, as most people first meet it: a layer,
# a normalization, a layer, a normalization, a softmax.

# %%
import keras
from keras import layers

keras.utils.set_random_seed(0)
model = keras.Sequential([
    layers.Input((64,)),
    layers.Dense(128, activation="relu"),
    layers.BatchNormalization(),
    layers.Dense(64, activation="relu"),
    layers.BatchNormalization(),
    layers.Dense(10, activation="softmax"),
])

# %% [markdown]
# Then compile, fit, evaluate. Categorical cross-entropy wants one column for each
# class, so the labels are spread out. In the summary look which layers have how
# many numbers, and how many of them the optimizer never touches.

# %% [markdown] tags=["instructor"]
# **Before you show the summary,** let the class work out one line on paper:
# how many numbers has the first normalization, and how many of them does the
# optimizer never touch? *Non-trainable* sounds like frozen; say that these are
# the ones that move in every training batch.

# %%
from course_utils import datasets

digits = datasets.digits(seed=0)
y_train = keras.utils.to_categorical(digits.y_train)
y_val = keras.utils.to_categorical(digits.y_val)
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
model.fit(digits.x_train, y_train, epochs=10, verbose=0)
scores = model.evaluate(digits.x_val, y_val, verbose=0, return_dict=True)
print(f"validation accuracy: {scores['accuracy']:.2f}")
model.summary(line_length=72)

# %% [markdown]
# Line by line:
#
# - A `Dense` line: one weight for each input and unit, and a bias for each unit.
# - A `BatchNormalization` line: the shape stays as it is, and there are *four*
#   numbers for each unit. γ and β are trained. The running mean and variance are
#   not; training batches move them, and inference uses them.
# - *Non-trainable params* are those running statistics, two for each unit.
#   (*Optimizer params* are what Adam remembers about the trained ones.)
#
# ### Two modes
#
# The layer computes two different things, and the argument `training=` decides
# which. `fit` says `training=True`. `evaluate` and `predict` say `False`, and so
# does `model(x)` if you say nothing. We look at the first image, once alone and
# once among others; and at what a call does to the running averages.

# %% tags=["nbval-check-output"]
import numpy as np

images = digits.x_val[:32]
for training in (False, True):
    before = model.layers[1].moving_mean.numpy()
    alone, company = model(images[:1], training=training), model(
        images, training=training)[:1]
    moved = not np.array_equal(before, model.layers[1].moving_mean)
    same = np.allclose(alone, company, atol=1e-4)
    print(f"training={training}: same answer alone and in company: {same}, "
          f"the averages moved: {moved}")
print("no argument is inference:",
      np.allclose(model(images), model(images, training=False)))

# %% [markdown] tags=["instructor"]
# **Point at** the last word of the second line: the call itself has changed
# the layer, even if you only wanted to look. Ask how one would notice that in
# a project. One would not; this is why `stateless_call` exists. Stay three
# minutes: the rest of the lecture rests on the two modes.

# %% [markdown]
# In training mode an answer depends on who else is in the batch, and **the call
# itself changes the layer**, even if you only wanted to look. If you want to look,
# use `model.stateless_call`, which leaves the model as it is. We shall.
#
# ### The arguments
#
# `BatchNormalization(momentum=0.9, epsilon=1e-5, center=True)`. One at a time.
#
# **`momentum`** is the share of the old running average that each batch leaves
# (Keras's convention; what PyTorch calls momentum is one minus that). After $k$
# batches $\text{momentum}^k$ of the starting value is left. How many batches
# until that is five percent? In the second column: over how many batches an
# average effectively runs, $1 / (1 - \text{momentum})$.

# %%
for momentum in (0.5, 0.9, 0.99, 0.999):
    layer = layers.BatchNormalization(momentum=momentum)
    left, batches = 1.0, 0
    while left > 0.05:
        left, batches = left * layer.momentum, batches + 1
    print(f"momentum {momentum:5}: {batches:4} batches to warm up, "
          f"averages over {1 / (1 - momentum):4.0f}")

# %% [markdown] tags=["instructor"]
# **Ask** who comes from PyTorch: there the same word means one minus this. The
# rule to write on the board: after k batches momentum to the power of k of the
# start is left. “Each batch takes away the same amount” is the slip to watch
# for in exercise 2.6.

# %% [markdown]
# The default is 0.99. It suits long trainings; a training that takes fewer steps
# than the warm-up ends with a cold average. A low momentum is warm at once, and
# noisy, because it averages over few batches.
#
# **`epsilon`** is added to the variance; 0.001 by default. Lecture 05 drew what it
# does to features that vary little. **`center=False`** leaves out β, and
# **`scale=False`** leaves out γ. What leaves the layer, for a feature in small
# units?

# %%
small = np.random.default_rng(0).normal(5, 0.01, (256, 1)).astype("float32")
for arguments in ({}, {"epsilon": 1e-5}, {"epsilon": 1e-7},
                  {"center": False}, {"center": False, "scale": False}):
    layer = layers.BatchNormalization(**arguments)
    variance = layer(small, training=True).numpy().var()
    names = [weight.name for weight in layer.trainable_weights]
    print(f"{arguments!s:35} variance {variance:.2f}, trains {names}")

# %% [markdown]
# With the default ε most of this feature's variance is lost. Leave out β
# where the next layer has a bias of its own and nothing stands in between; leave
# out γ where the next layer is linear and can scale. Otherwise keep both.
#
# ## The lab
#
# The lab trains ten networks with two normalized layers. On the left is one unit of the
# first layer: its mean in each batch, its mean over all training images (the truth),
# and the running mean, which follows it slowly. On the right is the resulting accuracy
# in both modes. In training mode, the validation images come in batches of the size
# you choose. Below the lab are three things to try.

# %%
from course_utils import labs

labs.batch_norm_modes()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** After 20 steps, the running means with the lowest momenta
# have caught up; with the highest momentum, the running mean hasn't caught up even
# after 400. With batches of 2 and a momentum of 0.5, the running mean follows single
# batches; a high momentum smooths it, but the accuracy stays poor in both modes.
# Inference mode is ahead once the averages have caught up, because they cover more
# images than one batch. **Point at** the dashed line, the truth, before each change.

# %% [markdown]
# ## Trial 1: “Put batch norm after the activation”
#
# The paper puts the layer between $xW$ and the activation. The example above has
# it behind, as much code does. Three hidden layers of ReLU units, both ways, each
# at the best of three learning rates, chosen on other seeds. The claim needs one
# point of accuracy. Look at the differences, seed by seed, and at both lines.
# (`after.code()` would show you the trial.)

# %%
from course_utils import claims, plots

after = claims.get("bnk-after")
positions = after.trial(datasets.digits, range(after.seeds))
verdicts = [after.judge(positions)]
gained = after.effect(positions)
ax = plots.intervals({"after ReLU": verdicts[0]}, neutral=after.neutral,
                     threshold=after.threshold,
                     xlabel="accuracy gained, compared with before ReLU",
                     title="On digits the place behind gains no point")
_ = ax.plot(gained, np.zeros(gained.size), "|", color="0.5", markersize=18)
verdicts[0]

# %% [markdown] tags=["instructor"]
# **Point at** the gray bars, one for each seed: they lie on both sides of
# zero. Whoever trains once can report either. That is worth more than the
# verdict. The second task in the ledger is less neutral; show it at the end.

# %% [markdown]
# Each bar is a seed. Whoever trains once can report either side. (The ledger at the
# end has a second task, where it is not the same.) The place matters for other
# reasons. Put behind a *sigmoid*, it makes a network fall behind at a high learning
# rate, as lecture 07 will show; and only directly behind a `Dense` layer does it make
# the bias redundant. Which is why you should write `use_bias=False` there, and must
# not write it in the example above:

# %% tags=["nbval-check-output"]
x = digits.x_train[:64]
cases = {"directly behind": None, "after ReLU": "relu"}
for name, activation in cases.items():
    dense = layers.Dense(8, activation=activation)
    norm = layers.BatchNormalization()
    without = norm(dense(x), training=True)
    dense.bias.assign(np.linspace(-0.5, 0.5, 8))
    changed = not np.allclose(without, norm(dense(x), training=True),
                              atol=1e-2)
    print(f"{name}: the bias changes what leaves the layer: {changed}")

# %% [markdown]
# ## Trial 2: “Batch norm works with any batch size”
#
# A trap first. An epoch with batches of 2 has sixteen times as many updates as one
# with 32; who compares epochs compares budgets. Here all arms take the *same
# number of updates*. And smaller batches mean noisier gradients for any network,
# so the one without normalization gives an idea of how much that costs. A third network
# has layer normalization, which takes mean and variance over the units of each sample
# (a table below has more of that kind).

# %%
quiz.ask("06", "two")

# %%
any_batch = claims.get("bnk-any-batch")
tiny = any_batch.trial(datasets.digits, range(any_batch.seeds))

# %% [markdown]
# Look at the three upper intervals first, batches of 32, then at what becomes of
# each network with batches of 2.

# %%
from course_utils import stats

names = {"plain": "plain", "batch": "batch norm", "layer": "layer norm"}
_ = plots.intervals(
    {f"{name}, {size} images": stats.interval(
        tiny.val_accuracy.sel(norm=norm, batch_size=size))
     for size in (32, 2) for norm, name in names.items()},
    xlabel="validation accuracy, each at its own best learning rate",
    title="With batches of 2, batch norm loses most")
verdicts.append(any_batch.judge(tiny))
verdicts[1]

# %% [markdown] tags=["instructor"]
# **Ask** first why the plain network and layer norm are in the figure: smaller
# batches cost everybody something. “All lose about the same” can now be read
# off. Then do the next cell by hand at the board: of two values, what is left
# after the layer? Only who of the two is larger.

# %% [markdown]
# The plain network and the one with layer normalization lose something, batch
# normalization much more. With batches of 2 the running averages are noisy, and in
# training each batch is normalized by two samples; the figure does not tell how much
# of the loss is due to which. Here is what the layer makes of a feature in training
# if the batch is two samples, 5 and 7; 5 and 700; or almost the same number twice:

# %%
pairs = np.array([[5.0, 5.0, 5.0], [7.0, 700.0, 5.5]], "float32")
print(layers.BatchNormalization()(pairs, training=True).numpy().round(2))

# %% [markdown]
# Of two values one becomes about −1 and the other +1. All that is left in training is
# *who of the two is larger*, and at inference the layer does something else: there the
# differences count again. A higher momentum makes the running averages calmer. It does
# not change what the network is trained on.
#
# ### Normalizations that need no batch
#
# They differ in what they average over. For $x$ of shape $(N, D)$, or
# $(N, H, W, C)$, with Keras's defaults:
#
# | layer | one mean and variance for each | averaged over |
# |---|---|---|
# | `BatchNormalization` | feature | samples (and pixels) |
# | `LayerNormalization` | sample (pixel by pixel) | features |
# | `GroupNormalization` | sample and group of features | the group (and pixels) |
# | `RMSNormalization` | sample (pixel by pixel) | features; no mean is subtracted |
#
# (“Pixel by pixel” is Keras's default, `axis=-1`. In the literature, as in Wu & He
# 2018, layer normalization of an image runs over its pixels as well.) The last three
# have no running averages, so they have no second mode, and a sample's answer never
# depends on its batch:

# %% tags=["nbval-check-output"]
x = digits.x_train[:8]
for layer in (layers.BatchNormalization(), layers.LayerNormalization(),
              layers.GroupNormalization(groups=8),
              layers.RMSNormalization()):
    alone = layer(x[:1], training=True)
    company = layer(x, training=True)[:1]
    print(f"{type(layer).__name__}: a sample is on its own: "
          f"{np.allclose(alone, company, atol=1e-5)}, "
          f"numbers not trained: {len(layer.non_trainable_weights)}")

# %% [markdown]
# They are used where batches are tiny because memory is short (video, segmentation,
# detection), where a batch is no sample of the data, and in sequences of any
# length: transformers use layer or RMS normalization. With batches of 32, in the
# figure above, all three networks came out about the same.
#
# ## Trial 3: “Batch norm replaces dropout”
#
# The paper says that its noise regularizes, “in some cases eliminating the need
# for Dropout”. To replace something you must be as good at what it is good at. So
# we go where dropout pays: a wider network, trained long, with 30 % of the labels
# wrong. Batch norm replaces dropout if it comes within one point of it. All four
# combinations, each at the best of three rates, after 20 epochs. Look at which side of
# zero each interval lies:

# %%
replaces = claims.get("bnk-replaces-dropout")
brakes = replaces.trial(datasets.digits, range(replaces.seeds))
final = brakes.val_accuracy.isel(epoch=-1)
arms = {"batch norm": (True, 0.0), "dropout": (False, 0.5),
        "both": (True, 0.5)}
neither = final.sel(batch_norm=False, dropout=0.0)
_ = plots.intervals(
    {name: stats.interval(final.sel(batch_norm=norm, dropout=rate) - neither)
     for name, (norm, rate) in arms.items()}, neutral=0,
    xlabel="accuracy gained, 30 % of the training labels wrong",
    title="Dropout gains, batch norm loses, both together gain")
verdicts.append(replaces.judge(brakes))
verdicts[2]

# %% [markdown]
# Lecture 07 finds the same from another side: on digits with wrong labels, trained as
# long as this, the normalized network ends below the plain one. And here the two
# get along. What people warn of is the order: with dropout anywhere *before* a batch
# normalization its running variance learns the spread of dropped features, which
# inference never sees (Li et al. 2019). `models.mlp` has that order from its second
# hidden layer on, and still did well. Who wants to be safe puts dropout behind the
# last normalization.
#
# ## What goes wrong
#
# **“My validation curve is broken.”** After one short epoch, in the ten networks
# of the lab: how much accuracy hides behind the running averages? The same weights
# are validated in both modes, and one is subtracted from the other.

# %%
from course_utils.labs.batch_norm_modes_lab import train

epoch = {"batch_size": 32, "steps": 33, "learning_rate": 0.1}
for momentum in (0.99, 0.9):
    last = train(digits, momentum=momentum, **epoch).val_accuracy[:, -1]
    gap = stats.paired_difference(last, "mode",
                                  between=("inference", "training"))
    print(f"momentum {momentum:4}: {gap['mean']:+.3f} "
          f"[{gap['low']:+.3f}, {gap['high']:+.3f}] in training mode")

# %% [markdown]
# The gap is the default momentum's, not the network's. Mended by a momentum that
# suits the number of steps, or by waiting. Once the averages are warm, inference
# mode is even ahead: they run over more images than one batch has.
#
# **“I wrote the training loop myself.”** Predict.

# %%
quiz.ask("06", "loop")

# %% [markdown] tags=["instructor"]
# **Ask.** “TensorFlow raises an error” would be nice. “It learns nothing” is
# refuted two cells on: it learns, and that is what makes the mistake so hard
# to find. The test to write is whether a running average has moved.

# %%
import tensorflow as tf


def own_loop(net, epochs=2, **mode):
    weights, optimizer = net.trainable_variables, keras.optimizers.SGD(0.1)
    score = keras.losses.SparseCategoricalCrossentropy()
    for rows in np.split(np.arange(1024), 32) * epochs:
        with tf.GradientTape() as tape:
            answers = net(digits.x_train[rows], **mode)
            loss = score(digits.y_train[rows], answers)
        optimizer.apply(tape.gradient(loss, weights), weights)


# %%
from course_utils import models

modes = {"forgotten": {}, "training=True": {"training": True}}
for name, mode in modes.items():
    keras.utils.set_random_seed(0)
    net = models.mlp(batch_norm=True, depth=2, momentum=0.9)
    own_loop(net, **mode)
    hits = net(digits.x_val).numpy().argmax(1) == digits.y_val
    moved = np.any(net.layers[1].moving_mean.numpy() != 0)
    print(f"{name:14} accuracy {hits.mean():.2f}, the averages moved: {moved}")

# %% [markdown]
# No error, no warning; it even learns. But no running average has moved, so the
# layer only scales and shifts. Mended by `training=True` in the loop, and by a test
# that the averages move.
#
# **“It was fine until we deployed it.”** In production another camera takes the
# pictures, and they are darker. The running averages still describe the old ones.
# We take the model from the beginning, and look in both modes without changing it.

# %%
def accuracy(x, y, training):
    answers, _ = model.stateless_call(
        model.trainable_variables, model.non_trainable_variables, x,
        training=training)
    return float((answers.numpy().argmax(1) == y).mean())


x, y = digits.x_val, digits.y_val
for name, served in {"as in training": x, "darker": x / 3}.items():
    by_class = np.mean([accuracy(served[y == digit], digit, True)
                        for digit in range(10)])
    print(f"{name:15} inference {accuracy(served, y, False):.2f}, "
          f"batch statistics {accuracy(served, y, True):.2f}, "
          f"batches of one class {by_class:.2f}")

# %% [markdown] tags=["instructor"]
# **Ask** after the second column: is training mode at inference the cure,
# then? Let the class say yes; then read the third column. A batch of one class
# loses what makes it that class. **Short of time:** stop here; weight decay
# and convolutions are for reading. **Homework:** 2.6, and 2.8 if Keras is new
# to them.

# %% [markdown]
# With the statistics of a mixed batch of dark images, the same weights answer
# well. Is training mode the cure, then? The last column says no: let one batch hold
# images of the digit 0 only, the next one of the digit 1, and the layer subtracts what
# tells the classes apart.
# Mended by treating serving images exactly as training images, or by estimating
# the averages anew: lecture 08.
#
# **“Weight decay keeps the weights small, so the function stays simple.”** Not
# before a batch normalization. Multiply the weights by ten: the layer divides by
# ten again. The output stays, and the gradient shrinks.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
images, target = digits.x_train[:64].astype("float64"), rng.normal(size=8)
norm = layers.BatchNormalization(dtype="float64", epsilon=1e-9)
kernel, outputs, slopes = tf.constant(rng.normal(size=(64, 8))), [], []
for scaled in (kernel, 10 * kernel):
    with tf.GradientTape() as tape:
        tape.watch(scaled)
        outputs.append(norm(images @ scaled, training=True))
        loss = tf.reduce_mean(tf.abs(outputs[-1] - target))
    slopes.append(tape.gradient(loss, scaled))
print("the same output:     ", np.allclose(*outputs, atol=1e-4))
print("a tenth the gradient:", np.allclose(slopes[0], 10 * slopes[1],
                                           atol=1e-6))

# %% [markdown]
# So a step of rate $\eta$ turns weights of norm $\lVert W\rVert$ by an angle that
# goes with $\eta / \lVert W\rVert^2$: the *effective learning rate*. Weight decay
# makes $\lVert W\rVert$ small, and that rate large. Watch both, in the first
# layer, over ten seeds.

# %%
from course_utils import fit_many

decay = fit_many(models.mlp, digits, epochs=12, diagnostics=True, grid={
    "batch_norm": True, "depth": 2, "momentum": 0.9, "learning_rate": 0.1,
    "weight_decay": [0.0, 0.03, 0.1], "seed": range(10)})

# %%
norms = decay.weight_norm.isel(weight=0, drop=True)
figure, (left, right) = plots.panels(2)
_ = plots.lines(norms.rename("norm of the first kernel"), "epoch",
                  by="weight_decay", title="Decay shrinks the weights …",
                  ax=left).set(ylim=(0, 17))
effective = (0.1 / norms**2).rename("effective learning rate")
_ = plots.lines(effective, "epoch", by="weight_decay", ax=right,
                  title="… and raises the effective rate")

# %%
gain = stats.paired_difference(decay.val_accuracy.isel(epoch=-1),
                               "weight_decay", between=(0.0, 0.1))
print(f"accuracy gained by decay 0.1: {gain['mean']:+.3f} "
      f"[{gain['low']:+.3f}, {gain['high']:+.3f}]")

# %% [markdown]
# The learning rate was constant, and yet the effective one grew. So weight decay on
# normalized layers acts like a schedule of the learning rate; tune the two together.
# The strongest decay also cost accuracy here, but that cannot be put down to the
# effective rate: the softmax layer, γ and β are decayed too, and for them nothing
# cancels it.
#
# **“Our images do not fit into memory, so the batch is 2.”** For a convolution the
# statistics of such a batch are less noisy than for a `Dense` layer: its features are
# averaged over pixels too. How far does the mean of a batch stray, as a share of the
# feature's own spread?

# %%
from course_utils.batch_norm import statistics

keras.utils.set_random_seed(0)
pixels = digits.x_train.reshape(-1, 8, 8, 1)
features = {"Dense": layers.Dense(32)(digits.x_train).numpy(),
            "Conv2D": layers.Conv2D(32, 3)(pixels).numpy()}
for name, values in features.items():
    for size in (2, 32):
        whole = values[:len(values) // size * size]
        means = whole.reshape(-1, size, *values.shape[1:])
        means = means.mean(axis=tuple(range(1, means.ndim - 1)))
        strays = (means.std(0) / np.sqrt(statistics(values)[1])).mean()
        values_each = size * values[0, ..., 0].size
        print(f"{name:6}, batches of {size:2}: {strays:.2f}   "
              f"(1/√values is {values_each**-0.5:.2f})")

# %% [markdown]
# Here, at the start of training, a pixel counts about as much as an image would: the
# mean strays as one expects of so many values. Deeper in a network the maps are
# smaller, so less of this advantage can be left. How well such a network trains was
# not measured.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    if verdict.claim.key != "bnk-after":
        print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: the layer is two functions, and `training=` chooses; `momentum` has to
# suit the number of steps; with two samples a batch, a normalized `Dense` network
# loses far more here than a plain one; layer, group and RMS normalization do without
# a batch; before a normalization a bias is redundant, and weight decay on the kernel
# raises its effective learning rate. You may not say that the layer belongs after the
# activation because that is more accurate, that any batch will do, or that it spares
# you dropout where dropout pays.
#
# **Where to go next.** Lecture 07 tries what is said about *why* to use the layer;
# lecture 08 puts it into networks that are trained already. Lecture 09 is about
# dropout. Exercise {{exercise}} has the traps of today.
#
# **References.**
#
# - S. Ioffe, C. Szegedy: *Batch normalization: accelerating deep network training
#   by reducing internal covariate shift*, ICML 2015.
# - J. L. Ba, J. R. Kiros, G. E. Hinton: *Layer normalization*, arXiv 1607.06450,
#   2016.
# - T. van Laarhoven: *L2 regularization versus batch and weight normalization*,
#   arXiv 1706.05350, 2017.
# - Y. Wu, K. He: *Group normalization*, ECCV 2018.
# - X. Li, S. Chen, X. Hu, J. Yang: *Understanding the disharmony between dropout
#   and batch normalization by variance shift*, CVPR 2019.
# - B. Zhang, R. Sennrich: *Root mean square layer normalization*, NeurIPS 2019.
# - Y. Wu, J. Johnson: *Rethinking “Batch” in BatchNorm*, arXiv 2105.07576, 2021.
