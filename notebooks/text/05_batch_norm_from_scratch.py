# ---
# jupyter:
#   course:
#     minutes: 50
#     exercise: "02"
#     lab: batch_norm_steps
# ---

# %% [markdown]
# # Batch normalization from scratch: what number does the layer output?
#
# After this lecture you can
#
# - **compute** what the layer returns for a batch, in training and at inference;
# - **tell** what ε, γ, β and the running statistics are each for, and **count**
#   how many numbers a layer holds;
# - **choose** the axis for images;
# - **derive** the backward pass, and **check** it against numerical gradients
#   and `tf.GradientTape`;
# - **recognize** four ways in which the layer returns something you did not
#   mean.
#
# You need about {{minutes}} minutes. It builds on lecture 04, where *inputs* were scaled,
# and you should know the chain rule. Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# You may have heard these, or drawn these conclusions yourself:
#
# 1. “Batch norm makes activations Gaussian.”
# 2. “γ and β are one pair per layer.”
#
# Once you have the layer in your hands you can see what to think of them: its formula
# settles both. The trials then show what that means in trained networks.
#
# ## Predict first
#
# Commit yourself before you run anything.

# %%
from course_utils import quiz

quiz.ask("05", "shape")

# %% [markdown] tags=["instructor"]
# **Ask.** “A bell” is what one says who reads *normalization* as *becoming
# normal*. Leave it open; the lab answers it in ten seconds, and trial 1 for
# trained networks.

# %% [markdown]
# ## The idea
#
# A `Dense` layer computes $z = xW + b$ for a batch of $N$ samples; $z$ has shape
# $(N, D)$, one column for each unit. Batch normalization treats every column $d$
# by itself. It measures mean and variance over the batch, and with them
# normalizes, scales and shifts:
#
# $$\mu_d = \frac1N\sum_n z_{nd}, \qquad
# \sigma_d^2 = \frac1N\sum_n (z_{nd} - \mu_d)^2, \qquad
# \hat z_{nd} = \frac{z_{nd} - \mu_d}{\sqrt{\sigma_d^2 + \varepsilon}}, \qquad
# y_{nd} = \gamma_d\, \hat z_{nd} + \beta_d .$$
#
# $\gamma_d$ starts at 1 and $\beta_d$ at 0; both are learned. Here is a batch:
# 32 digits, after a `Dense` layer whose weights and biases are drawn at random;
# then one step after the other. Every average is taken over axis 0, the samples.

# %%
import numpy as np

from course_utils import datasets

digits = datasets.digits(seed=0)
batch = digits.x_train[:32].astype("float64")
rng = np.random.default_rng(0)
W, b = rng.normal(0, 0.5, (64, 8)), rng.normal(0, 1, 8)
z = batch @ W + b
mu = z.mean(axis=0)
centered = z - mu
variance = (centered**2).mean(axis=0)
z_hat = centered / np.sqrt(variance + 1e-3)
print("first unit, before:", z[:4, 0].round(2))
print("first unit, after: ", z_hat[:4, 0].round(2))

# %% [markdown] tags=["instructor"]
# **At the board:** a batch of three samples with two features, and let the
# class normalize it by hand. Ask over which axis the mean runs before you
# write anything. Averaging over the features of a sample is the slip to watch
# for, and it is another layer: layer normalization.

# %% [markdown]
# Is that what Keras computes? And `course_utils.batch_norm`, the layer of this
# course in a page of NumPy? (Its tests hold it against Keras, and against the
# definition of the operator in ONNX, for any shape and axis.)

# %% tags=["nbval-check-output"]
import keras

from course_utils import batch_norm

layer = keras.layers.BatchNormalization(dtype="float64")
one, zero = np.ones(8), np.zeros(8)
ours = batch_norm.forward(z, one, zero)
print("equal to Keras:     ", np.allclose(z_hat, layer(z, training=True)))
print("equal to batch_norm:", np.allclose(z_hat, ours))

# %% [markdown]
# ### What each number is for
#
# **ε** keeps the division alive. Some pixels of these digits are black in every
# image: their variance is zero, and without ε they would become $0/0$. What
# leaves the layer has the variance $\sigma^2 / (\sigma^2 + \varepsilon)$, a
# little less than 1. Remember that; one of today's traps is there.
#
# **γ and β** let the layer choose another scale and another place, because mean
# 0 and variance 1 may not be what the next layer needs. They can even undo the
# normalization: with $\gamma = \sqrt{\sigma^2 + \varepsilon}$ and $\beta = \mu$
# the layer returns what it was given. So for one batch, and at inference for all of
# them, it takes nothing away that the network could not learn to put back.
#
# **The bias $b$** before the layer, on the other hand, does nothing at all in training.
# It moves a whole column; the mean moves with it and is subtracted.

# %% tags=["nbval-check-output"]
pixels = batch_norm.forward(batch, np.ones(64), np.zeros(64))
black = batch.var(axis=0) == 0
print("black pixels become 0:", black.any() and not pixels[:, black].any())
undone = batch_norm.forward(z, np.sqrt(variance + 1e-3), mu)
print("γ and β can undo it:  ", np.allclose(undone, z))
without = batch_norm.forward(batch @ W, one, zero)
print("the bias is redundant:", np.allclose(without, z_hat))

# %% [markdown]
# That is why this course writes `Dense(64, use_bias=False)` before a
# normalization: β already is the bias.
#
# ### Images, and how many numbers there are
#
# A convolution returns a map for each filter: $(N, H, W, C)$. What is a feature
# now? Predict.

# %%
quiz.ask("05", "numbers")

# %% [markdown] tags=["instructor"]
# **Ask.** 4 is the second claim of this lecture; 4096 forgets that a filter
# does the same at every pixel; γ and β alone forget what inference needs. Let
# someone explain it from the shapes before you run the next cell.

# %%
keras.utils.set_random_seed(0)
images = batch.reshape(32, 8, 8, 1)
convolution = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)
maps = convolution(images).numpy().astype("float64")
norm = keras.layers.BatchNormalization(dtype="float64")
normalized = norm(maps, training=True)
for weight in norm.weights:
    kind = "trainable" if weight.trainable else "not trainable"
    print(f"{weight.name:16} {weight.shape}  {kind}")
by_hand = (maps - maps.mean((0, 1, 2))) / np.sqrt(
    maps.var((0, 1, 2)) + 1e-3)
print("averaged over axes 0, 1, 2:", np.allclose(normalized, by_hand))

# %% [markdown]
# Two trainable numbers for each filter, and two that are not. The filter does
# the same at every pixel, so its whole map is one feature: the averages run over
# samples, rows and columns. The argument `axis` names what is *not* averaged
# over: −1, the last one, by default. Where channels come first, as in ONNX or
# PyTorch, it is axis 1.
#
# ### Running statistics
#
# At inference a single image may come, and its answer must not depend on who
# else is in the batch. So in training the layer keeps, for each feature, a
# running mean and variance, which move a little toward every batch:
#
# $$m \leftarrow \text{momentum}\cdot m + (1 - \text{momentum})\,\mu ,$$
# $$v \leftarrow \text{momentum}\cdot v + (1 - \text{momentum})\,\sigma^2 .$$
#
# They start at $m = 0$ and $v = 1$, and inference uses them in the place of
# $\mu$ and $\sigma^2$. Watch them for one unit, over random batches, with
# Keras's default momentum. Dashed: mean and variance of the unit on the whole
# training set.

# %%
from course_utils import plots

running, path = (np.zeros(8), np.ones(8)), []
for _ in range(500):
    rows = rng.choice(len(digits.x_train), 32, replace=False)
    running = batch_norm.update_running(
        *running, digits.x_train[rows] @ W + b, momentum=0.99)
    path.append(running)
truth, ax = batch_norm.statistics(digits.x_train @ W + b), plots.axes()
for color, which, name in (("C0", 0, "mean"), ("C1", 1, "variance")):
    ax.plot(np.array(path)[:, which, 0], "-", color=color, label=name)
    ax.axhline(truth[which][0], color=color, linestyle="--", marker="")
ax.set(xlabel="batches", ylabel="running statistic of one unit")
ax.set_title("The running statistics take hundreds of batches")
_ = ax.legend()

# %% [markdown] tags=["instructor"]
# **Point at** the start, 0 and 1, and at how long the way is with the default
# momentum. Then at the variance, which settles a little below its dashed line:
# ask why. A batch measures its spread around its own mean. **Question:** “Does
# it matter?” Hardly with batches of 32; it does when numbers of two frameworks
# are compared.

# %% [markdown]
# Until they have arrived the layer does something else at inference than in
# training; lecture 06 is about that. And look closely: the variance settles a
# little below its dashed line. A batch measures its spread around its *own* mean,
# which comes out too small, on average by the factor $(N-1)/N$. PyTorch corrects
# its running variance for that; Keras and ONNX do not.
#
# ### Backward
#
# Let $g_{nd} = \partial L / \partial y_{nd}$ be what comes from above. β is
# added to every sample of its column and γ multiplies every one, so their
# gradients are sums over the batch:
#
# $$\frac{\partial L}{\partial \beta_d} = \sum_n g_{nd}, \qquad
# \frac{\partial L}{\partial \gamma_d} = \sum_n g_{nd}\, \hat z_{nd} .$$
#
# A value $z_{nd}$ acts along three paths. Drop the index $d$, and let
# $r = \sqrt{\sigma^2 + \varepsilon}$.
#
# - *Directly*, through its own $\hat z_n$: $\;\gamma g_n / r$.
# - *Through the mean*: $\mu$ moves by $1/N$, and every $\hat z_m$ by $-1/(Nr)$:
#   $\;-\frac{\gamma}{r}\, \frac1N \sum_m g_m$.
# - *Through the variance*: $\sigma^2$ moves by $2(z_n - \mu)/N$, and $\hat z_m$
#   by $-\hat z_m / (2 r^2)$ times that: $\;-\frac{\gamma}{r}\, \hat z_n\,
#   \frac1N \sum_m g_m \hat z_m$.
#
# Added up, with $\overline{\phantom{g}}$ for the mean over the batch:
#
# $$\frac{\partial L}{\partial z_n} = \frac{\gamma}{r}
# \left( g_n - \overline{g} - \hat z_n\, \overline{g \hat z} \right) .$$
#
# Read it: from the gradient the layer removes what would only shift the column,
# and what would only stretch it. Both would be in vain, for the normalization
# undoes them.
#
# Never believe a derivation that you have not checked. The numerical gradient
# needs nothing but the forward pass: move one value a little up and down. And
# TensorFlow differentiates Keras's layer on its own.

# %% [markdown] tags=["instructor"]
# **With a class that likes calculus,** ten minutes: one path each, by three
# volunteers. With another one, skip the paths and read only the last formula:
# from the gradient goes what would only shift the column, and what would only
# stretch it. The next cells check it in any case; that habit is the point. Two
# questions find a forgotten path: what does adding a constant to a feature
# change, and what does stretching it?

# %%
gamma, beta = rng.uniform(0.5, 2, 8), rng.normal(0, 1, 8)
g = rng.normal(0, 1, z.shape)
ours = batch_norm.backward(g, z, gamma)   # by z, γ and β


def loss(z):
    return (g * batch_norm.forward(z, gamma, beta)).sum()


numerical, step = np.zeros_like(z), np.zeros_like(z)
for index in np.ndindex(*z.shape):
    step[index] = 1e-5
    numerical[index] = (loss(z + step) - loss(z - step)) / 2e-5
    step[index] = 0

# %% tags=["nbval-check-output"]
import tensorflow as tf

layer.set_weights([gamma, beta, *running])
inputs = tf.constant(z)
with tf.GradientTape() as tape:
    tape.watch(inputs)
    total = tf.reduce_sum(g * layer(inputs, training=True))
theirs = tape.gradient(total, [inputs, layer.gamma, layer.beta])
for part, name in enumerate(["z", "γ", "β"]):
    equal = np.allclose(ours[part], theirs[part])
    print(f"by {name}, equal to the tape:", equal)
print("by z, equal to numerical:", np.allclose(ours[0], numerical, atol=1e-6))

# %% [markdown]
# ## The lab
#
# The lab takes one feature of one batch through every step of the layer. Nothing is
# trained, so it responds at once. Below the lab are three things to try.

# %%
from course_utils import labs

labs.batch_norm_steps(shape="two humps", gamma=1.5, beta=-2.0)

# %% [markdown] tags=["instructor"]
# **Try this, answered.** γ and β rescale and shift the histogram, but no setting
# turns two humps into one: go back to the prediction. Where the spread falls to about
# the square root of ε, the variance is no longer 1; a smaller ε fixes that. With a
# batch of one, only β is left. This lab responds at once, so let the class call out
# settings.

# %% [markdown]
# ## Trial 1: “Batch norm makes activations Gaussian”
#
# You have seen that one unit goes through one straight line, so the layer cannot
# change a shape. Still, the units of a *trained* network might be bells before they
# get there. We train a network of two hidden layers, written in NumPy with
# `batch_norm.forward` and `batch_norm.backward`, look at every unit on the whole
# training set, and ask a test at the 5 % level whether its values could be Gaussian.
# Of true Gaussians 95 % would pass; the claim needs 90 %. (With a thousand images the
# test also notices small departures. A unit that fails may still look like a bell.)

# %%
from course_utils import claims

gaussian = claims.get("bnl-gaussian")
shapes = gaussian.trial(datasets.digits, range(gaussian.seeds))
gaussian.code()

# %% [markdown]
# First one unit with your own eyes: of the first network, the one in the last
# hidden layer that the test finds least Gaussian. Compare the axes, then the
# shapes.

# %%
from course_utils.claims.batch_norm_layer import hidden, network

trained = network(digits, seed=0)
last = hidden(trained, digits.x_train)[-1]
odd = np.argmin(shapes.p_value.sel(seed=0, values="before").values[-1])
figure, axes = plots.panels(2)
for ax, step in zip(axes, ("z", "y"), strict=True):
    ax.hist(last[step][:, odd], bins=40)
    ax.set(xlabel=f"{step} of the unit", ylabel="images", yticks=[])
axes[0].set_title("One unit before …")
_ = axes[1].set_title("… and after: the same shape")

# %% [markdown] tags=["instructor"]
# **Cover the axes** and ask which histogram is before and which is after. One
# cannot tell; only the numbers below have changed. The next figure says it for
# all units, with true Gaussians as a yardstick. **Question:** “But the paper
# says Gaussian?” It says that sums of many inputs are closer to one, and
# therefore where to put the layer.

# %% [markdown]
# Other numbers on the axis, the same picture above it. Now all units of all
# networks, before and after, and as many columns of true Gaussian numbers, so
# that you can see what the test makes of those. (Before and after have to agree: the
# test looks at shapes only.)

# %%
from course_utils import stats
from course_utils.claims.batch_norm_layer import pass_as_gaussian

passing = stats.interval(pass_as_gaussian(shapes))
_ = plots.intervals(
    {name: passing.sel(values=name) for name in shapes["values"].values},
    threshold=gaussian.threshold, xlabel="share of units that pass",
    title="Few units pass as Gaussian, before or after it")
verdicts = [gaussian.judge(shapes)]
verdicts[0]

# %% [markdown]
# Mean and variance are two numbers; a shape has many more. What the layer
# promises is about the two. (The paper that introduced it expects sums over many
# inputs, which $xW$ is, to be *closer* to Gaussian than what leaves an
# activation, and puts the layer there. That is a remark on where to normalize,
# not on what normalizing does.)
#
# ## Trial 2: “γ and β are one pair per layer”
#
# You have counted them: every feature has its own, which settles the claim. But do the
# units *use* that, or do they all learn the same? We train the same network, and
# measure how much of what γ and β have learned, as a mean square, one pair for each
# layer could express: all of it if the units of a layer agreed, none if they went in
# all directions. The claim needs nine tenths. In the figure, look where each unit of
# one network has gone from the common start, the cross.

# %%
one_pair = claims.get("bnl-one-pair")
pairs = one_pair.trial(datasets.digits, range(one_pair.seeds))
learned, ax = pairs.learned.sel(seed=0), plots.axes()
for number, name in enumerate(("first hidden layer", "second")):
    ax.plot(*learned.isel(layer=number).values, "o", alpha=0.6, label=name)
ax.plot(1, 0, "+", color="0.2", markersize=16, markeredgewidth=2)
ax.set(xlabel="γ of a unit", ylabel="β of a unit")
ax.set_title("Each unit has learned a pair of its own")
_ = ax.legend()
verdicts.append(one_pair.judge(pairs))
verdicts[1]

# %% [markdown] tags=["instructor"]
# **Point at** the cross where all units began. The units of the first layer
# went both ways from it, those of the second together and then apart. Then be
# honest with the next figure: using a pair for each unit hardly shows in the
# accuracy. It is counting that refutes the claim.

# %% [markdown]
# In this network the units of the first layer went both ways from the start, and one
# pair says next to nothing about them. Those of the second went together, and then
# apart.
#
# Does it matter, though? That is another question, so it gets another number.
# Put the mean γ and the mean β of each layer in the place of the units' own; or
# train with one pair per layer from the start. The accuracy gained, compared with
# a pair for each unit, here and on the second task of this course, which of ten
# tones sounds in a noise:

# %%
tones = one_pair.trial(datasets.tones, range(one_pair.seeds))
gained = {}
for task, runs in {"digits": pairs, "tones": tones}.items():
    for arm in runs["pairs"].values[1:]:
        gained[f"{task}: {arm}"] = stats.paired_difference(
            runs.accuracy, "pairs", between=("each unit its own", arm))
_ = plots.intervals(gained, neutral=0, xlabel="validation accuracy gained",
                    title="One pair costs accuracy in one case of four")

# %% [markdown]
# Replacing the pairs after training costs nothing that could be told from zero.
# Training with one pair costs nothing that could be told from zero on digits, and
# something on tones; whether for want of numbers, or because one number that collects
# the gradients of all units takes larger steps, these runs do not say. So do not
# expect accuracy to correct anybody who believes in one pair per layer. Counting
# does. That is so in these networks; in others nothing but γ and β is trained, and
# they learn all the same (Frankle, Schwab & Morcos 2021).
#
# ## What goes wrong
#
# **“I forgot that channels are last.”** `axis=1` is right for channels first. On
# our maps, whose channels are last, it normalizes *rows* of pixels. There is no
# error message; only the number of weights gives it away.

# %%
for axis in (1, -1):
    wrong_or_right = keras.layers.BatchNormalization(axis=axis)
    wrong_or_right(maps, training=True)
    print(f"axis={axis:2}: {wrong_or_right.count_params()} numbers "
          f"for maps of shape {maps.shape[1:]}")

# %% [markdown]
# Mended by `axis=-1`, the default, and by a look at `model.summary()`: four
# numbers for each filter.
#
# **“My batch is a single sample.”** Predict.

# %%
quiz.ask("05", "alone")

# %% [markdown] tags=["instructor"]
# **Ask.** “It uses the running statistics, since one sample has none of its
# own” is the reasonable answer, and wrong: in training mode the layer takes
# the batch as it is. One value minus itself is zero, so β comes out. **Short
# of time:** after this go to the ledger; ε and the rounding are good reading
# at home. **Homework:** 2.1 to 2.3; 2.4 for those who want it; 2.5.

# %% tags=["nbval-check-output"]
for training in (True, False):
    company = layer(z, training=training)[:1]
    alone = layer(z[:1], training=training)
    print(f"training={training}: alone it becomes β: "
          f"{np.allclose(alone, beta)}, as in company: "
          f"{np.allclose(alone, company)}")

# %% [markdown]
# Mended at inference by inference mode. In training only a larger batch helps,
# or another normalization; with a last batch that happens to hold one sample,
# `dataset.batch(32, drop_remainder=True)`.
#
# **“It is normalized, so its variance is 1.”** Not if the feature itself varies
# little. Here is what leaves the layer for features of any variance, with
# Keras's ε and with that of ONNX and PyTorch. Where does each curve begin to
# fall?

# %%
entering, ax = np.logspace(-8, 2, 41), plots.axes()
wave = np.sqrt(2) * np.sin(np.arange(64) * np.pi / 32)
x = np.sqrt(entering) * wave[:, None]
for epsilon in (1e-3, 1e-5):
    y = batch_norm.forward(x, np.ones(41), np.zeros(41), epsilon=epsilon)
    ax.plot(entering, y.var(axis=0), marker="", label=f"ε = {epsilon:g}")
ax.set(xscale="log", xlabel="variance of the feature",
       ylabel="variance after normalizing", ylim=(0, 1.05))
ax.set_title("A feature that varies less than ε stays small")
_ = ax.legend()

# %% [markdown]
# Where the variance equals ε, half of it is left; the curves differ by the
# factor between the two ε. It matters when weights are moved from one framework
# to the other, or features come in tiny units. Mended by scaling those (lecture
# 04), or by the right ε.
#
# **“The variance is the mean square minus the squared mean.”** On paper. In
# float32, with readings around ten thousand that vary by one:

# %%
readings = rng.normal(10_000, 1, (256, 4)).astype("float32")
on_paper = (readings**2).mean(0) - readings.mean(0) ** 2
exact = batch_norm.forward(readings, np.ones(4), np.zeros(4))
from_keras = keras.layers.BatchNormalization()(readings, training=True)
print("on paper:       ", on_paper)
print("centered first: ", batch_norm.statistics(readings)[1].round(2))
print(f"Keras is off by  {np.abs(from_keras - exact).max():.4f} at most")

# %% [markdown]
# Two large numbers, of which float32 keeps about seven digits, are subtracted,
# and the digits that count are gone; even a variance below zero can come out.
# Center first, then square, as the formula above does. Keras does so too, but it
# then multiplies before it subtracts, and loses some digits. Mended by
# subtracting a typical value from such inputs beforehand.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: in training the layer gives every feature the mean β and, where
# the feature varies much more than ε, the variance γ²; the features keep the
# shape of their histogram; each has two trainable numbers and two that are not;
# and the bias before the layer is redundant. You may not say that activations
# become Gaussian by it, nor that a layer has one γ and one β.
#
# **Where to go next.** Lecture 06 looks at the layer in Keras: which mode, which
# momentum, which batch. Lecture 07 puts on trial what it is said to do for
# training. Exercise {{exercise}} lets you write it yourself. Who wants the sources finds
# them in the annotated [reading list](reading_batch_normalization.md).
#
# **References.**
#
# - S. Ioffe, C. Szegedy: *Batch normalization: accelerating deep network training
#   by reducing internal covariate shift*, ICML 2015.
# - J. Frankle, D. J. Schwab, A. S. Morcos: *Training BatchNorm and only BatchNorm:
#   on the expressive power of random features in CNNs*, ICLR 2021.
# - ONNX: *Operator BatchNormalization*, operator set 15.
# - R. D'Agostino, E. S. Pearson: *Tests for departure from normality*, Biometrika
#   60, 1973.
