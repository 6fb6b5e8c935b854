# ---
# jupyter:
#   course:
#     minutes: 50
#     exercise: "03"
#     lab: dropout
# ---

# %% [markdown]
# # Dropout: when does noise pay?
#
# After this lecture you can
#
# - **write** inverted dropout with its gradient, and **explain** the division;
# - **place** the layer in a Keras model, also beside batch norm and convolutions;
# - **read** a training accuracy that lies below the validation accuracy;
# - **tune** the rate together with width and learning rate, and **say** where it
#   pays;
# - **ask** a network for its uncertainty by dropping units at inference, and
#   **judge** the answer.
#
# You need about {{minutes}} minutes. It builds on lectures 02, 03 and 06. Nothing is
# downloaded.

# %% [markdown]
# ## The claims
#
# 1. “Dropout prevents overfitting.”
# 2. “0.5 is the best rate.”
# 3. “Dropout slows training.”
# 4. “Do not use dropout with batch norm.”
#
# ## Predict first
#
# Commit yourself before you run anything.

# %%
from course_utils import quiz

quiz.ask("09", "where")

# %% [markdown] tags=["instructor"]
# **Ask.** “Few samples” sounds like overfitting, so some will expect a gain
# there and only there. Keep the answers for the first trial: three rows, one
# for each choice.

# %% [markdown]
# ## The idea
#
# In every training step, each unit is left out with probability $p$, the *rate*.
# For the features $x$ of a batch, of shape $(N, D)$, draw a mask of the same shape:
#
# $$m_{nd} = \begin{cases} 0 & \text{with probability } p \\
# \tfrac{1}{1-p} & \text{otherwise}\end{cases}
# \qquad\qquad y = x \odot m .$$
#
# At inference nothing is drawn: $y = x$. No unit can rely on the presence of any
# other; that is the whole idea.

# %%
import numpy as np


def dropout_forward(x, rate, rng):
    """Drop entries of x (N, D); return what is left, and the mask."""
    mask = (rng.random(x.shape) >= rate) / (1 - rate)
    return x * mask, mask


rng = np.random.default_rng(0)
print(dropout_forward(np.ones((3, 8)), 0.5, rng)[0])

# %% [markdown]
# ### Why divide by 1 − p?

# %%
quiz.ask("09", "divide")

# %% [markdown] tags=["instructor"]
# **Ask,** with ten inputs of one at the board: how many arrive in training,
# how many at inference? “Only less noisy” forgets to count. Two minutes; the
# next cells are the check, and exercise 3.1 asks for it again.

# %% [markdown]
# The expected value of an entry of the mask is $(1-p)\cdot\tfrac{1}{1-p} = 1$, so
# that on average the next layer gets in training what it gets at inference. Without
# the division it would get $(1-p)\,x$. Is it so?

# %% tags=["nbval-check-output"]
x = np.tile([1.0, 2.0, -4.0], (100_000, 1))
for rate in (0.2, 0.5, 0.8):
    out, mask = dropout_forward(x, rate, rng)
    divided = np.allclose(out.mean(0), x[0], rtol=0.05)
    bare = np.allclose((x * (mask > 0)).mean(0), x[0], rtol=0.05)
    print(f"rate {rate}: {np.mean(mask == 0):.1f} dropped, mean kept: "
          f"{divided}; without dividing: {bare}")

# %% [markdown]
# The mean is kept; the spread is not: $\operatorname{Var}(y) = x^2\,p/(1-p)$ for
# a fixed $x$. That is how much noise you buy, and it grows without bound as $p$
# goes to 1.
#
# ### The gradient passes through the same mask
#
# The mask is a constant factor, so the gradient is multiplied by the same mask:
# what was dropped learns nothing from this sample. Compare with differences of the
# loss, once through the mask that was drawn in the forward pass and once through a
# new one:

# %% tags=["nbval-check-output"]
def dropout_backward(dout, mask):
    """Gradient (N, D) of the loss by the inputs of dropout."""
    return dout * mask


def same_draw(x):
    return dropout_forward(x, 0.5, np.random.default_rng(1))


x, dout = rng.normal(size=(2, 4, 5))
numeric = dout * (same_draw(x + 1e-6)[0] - same_draw(x - 1e-6)[0]) / 2e-6
for name, mask in {"the same mask": same_draw(x)[1],
                   "a new mask": dropout_forward(x, 0.5, rng)[1]}.items():
    fits = np.allclose(dropout_backward(dout, mask), numeric, atol=1e-6)
    print(f"{name}: the gradient is right: {fits}")

# %% [markdown]
# (Each output depends on its own input alone; so all differences could be taken at
# once.)
#
# ### An ensemble in one network
#
# Ten inputs can be dropped in $2^{10}$ ways, and each way is a network of its own;
# all share their weights. For one softmax layer one can afford to ask all of them.
# At inference, with nothing dropped: is it their average?

# %% tags=["nbval-check-output"]
import itertools

from scipy.special import softmax

weights, x = rng.normal(size=(10, 4)), rng.normal(size=10)
masks = 2 * np.array(list(itertools.product([0, 1], repeat=10)))
answers = softmax(masks * x @ weights, axis=1)        # (1024, 4)
geometric = np.exp(np.log(answers).mean(0))
geometric /= geometric.sum()
print("it is the geometric mean:",
      np.allclose(softmax(x @ weights), geometric))
print("it is the ordinary mean: ",
      np.allclose(softmax(x @ weights), answers.mean(0), atol=0.01))

# %% [markdown]
# Exactly the (normalized) geometric mean of 1024 networks, for the price of one
# (Baldi & Sadowski 2013). With hidden layers in between it is an approximation. So
# the “ensemble” is a figure of speech: its members share all weights, and nobody
# trained any of them to the end.
#
# ### In Keras
#
# The layer has no weights, only a rate. In training mode it draws, in inference
# mode it passes on what it gets.

# %%
import keras
from keras import layers

keras.utils.set_random_seed(0)
layer = layers.Dropout(0.5)
for training in (True, False):
    out = layer(np.ones((1, 8)), training=training)
    print(f"training={training!s:5} {out.numpy()}")

# %% [markdown]
# **Where does it stand?** Behind the activation of each hidden layer; on the
# inputs, if at all, with a low rate; never behind the softmax. Behind a ReLU or in
# front of it is the same. Behind a sigmoid or in front of it is not:

# %% tags=["nbval-check-output"]
z = rng.normal(size=(64, 16))
_, mask = dropout_forward(z, 0.5, rng)
for name in ("relu", "sigmoid"):
    activation = getattr(keras.ops, name)
    same = np.allclose(activation(z * mask), activation(z) * mask)
    print(f"{name}: before or behind is the same: {same}")

# %% [markdown]
# What is dropped in front of a sigmoid leaves it as one half, and is not dropped at
# all. Now a whole network:

# %%
keras.utils.set_random_seed(0)
model = keras.Sequential([
    layers.Input((64,)),
    layers.Dense(64, activation="relu"), layers.Dropout(0.5),
    layers.Dense(64, activation="relu"), layers.Dropout(0.5),
    layers.Dense(10, activation="softmax")])

# %%
from course_utils import datasets

digits = datasets.digits(seed=0)
model.compile(keras.optimizers.SGD(0.3), metrics=["accuracy"],
              loss="sparse_categorical_crossentropy")
history = model.fit(
    digits.x_train, digits.y_train, epochs=8, verbose=0,
    validation_data=(digits.x_val, digits.y_val)).history
for name in ("accuracy", "val_accuracy"):
    print(f"{name:13}", *(f"{value:.2f}" for value in history[name]))

# %%
quiz.ask("09", "lower")

# %% [markdown]
# Ten such networks. Besides what `fit` reports we ask each of them, after every
# epoch, for the training images once more, in inference mode. Look where that third
# line lies.

# %%
import xarray as xr

from course_utils import fit_many, models, plots

runs = fit_many(models.mlp, digits, {
    "depth": 2, "dropout": 0.5, "learning_rate": 0.3, "seed": range(10)},
    epochs=12, predict=digits.x_train)
labels = xr.DataArray(digits.y_train, dims="point")
again = (runs.probability.argmax("class") == labels).mean("point")
kinds = ["training, as fit says", "training, without noise", "validation"]
accuracy = xr.concat([runs.accuracy, again, runs.val_accuracy],
                     xr.Variable("measured", kinds)).rename("right answers")
_ = plots.lines(accuracy, "epoch", by="measured",
                  labels={kind: kind for kind in kinds},
                  title="What fit reports is not the network's accuracy")

# %% [markdown] tags=["instructor"]
# **First** take answers to the prediction before it: “underfits, make it
# larger” is a costly one. **Point at** the line “training, without noise”: it
# lies with validation. With dropout never read the gap between the two numbers
# that `fit` prints.

# %% [markdown]
# Measured in the same way, training images are answered at least as well as new ones.
# With dropout, never read the gap between the two reported curves as a sign of over- or
# underfitting.
#
# ## The lab
#
# The lab trains ten networks with dropout and ten without, on the same batches and at
# *one* learning rate, which you set. On the left is a mask; in the middle are the
# training accuracy (dotted) and the validation accuracy; on the right is what dropout
# gains. With the moons, the right panel shows the boundaries instead: those of each
# network with dropout, and the mean of those without. Below the lab are three things to
# try. Also set the label noise to 0. What is left to gain? (The emoji lab of the
# welcome page, `labs.emoji()`, also has controls for the dropout rate and the label
# noise.)

# %%
from course_utils import labs

labs.dropout()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** With 8 units, no rate measurably helps. At the lower
# learning rate, the gain is gone, and *both* networks have changed: without dropout,
# accuracy is higher than before, and with dropout, it is lower. Without label noise,
# there is nothing left to gain. On the moons, training accuracy without dropout comes
# closer to 1, and validation accuracy is higher with dropout. **Ask** for the sign of
# the gain before each change.

# %% [markdown]
# ## The trial
#
# ### “Dropout prevents overfitting”
#
# Two hidden layers of 64 units in three conditions: labels right; 30 % of them wrong;
# 128 samples only. The rate is a *nuisance hyperparameter*, and so is the learning
# rate: neither is what we ask about, and a fair comparison sets both as well as
# possible for each arm. So dropout may choose between 0.2 and 0.5, every arm chooses
# among three learning rates, all on seeds that measure nothing. (Dropout thus has six
# settings to choose from and the plain network three, which favors dropout, if
# anything. All seeds share one split: the intervals do not cover the luck of other
# images.) The claim needs one point where overfitting hurts most, with wrong labels.
# Look which intervals keep clear of zero.

# %%
from course_utils import claims, stats
from course_utils.claims import dropout as trials

prevents, half = claims.get("do-overfitting"), claims.get("do-half")
runs = prevents.trial(datasets.digits, range(prevents.seeds))
gains = trials.gained(runs)
_ = plots.intervals(
    {name: stats.interval(gains.sel(condition=name))
     for name in trials.CONDITIONS}, neutral=0, threshold=prevents.threshold,
    xlabel="accuracy gained by dropout, each arm at its best rates",
    title="With plenty of right labels no gain is seen")
verdicts = [prevents.judge(runs)]
verdicts[-1]

# %% [markdown] tags=["instructor"]
# **The figure not to skip.** Three rows, the three answers of the first prediction.
# Point at the row whose interval contains zero, then at the dashed line: is it a whole
# point? The interval leaves that open. **Question:** “Then why is dropout so famous?”
# Where both arms share a high learning rate the gain looks larger, as the end of this
# lecture shows; and another task gains more, see the ledger.

# %% [markdown]
# With plenty of right labels no gain is seen. With few samples a little is, and with
# wrong labels; whether it is the point that the claim asks for remains open. That is
# less than its fame promises. One reason is the comparison: allowed to choose its own
# learning rate, the network without dropout does not overfit as badly as it could. On
# tones, in the ledger below, the gain is several times as large. “Prevents” is a big
# word for it.
#
# ### “0.5 is the best rate”
#
# The same runs, and the claim at its most favorable: in the wide network, mean of
# all conditions, and one point of loss is forgiven.

# %%
verdicts.append(half.judge(runs))
verdicts[-1]

# %% [markdown]
# And in a narrow network? The same trial with 16 units instead of 64, labels wrong.
# Predict the right end of the lower line.

# %% [markdown] tags=["instructor"]
# **Ask** for the right end of the lower line, and wait for an answer. “A
# little less” is a fair guess. With few units, half of them is not enough to
# work with. A rate without a width says nothing.

# %%
condition = "30 % wrong labels"
narrow = trials.three_conditions(datasets.digits, range(prevents.seeds),
                                 width=16, conditions=[condition])
by_width = xr.concat(
    [arm.val_accuracy.sel(condition=condition) for arm in (narrow, runs)],
    xr.Variable("width", [16, 64])).rename(dropout="dropout rate")
_ = plots.lines(by_width.rename("validation accuracy"), "dropout rate",
                  by="width", labels={16: "16 units", 64: "64 units"},
                  title="A narrow network cannot afford half its units")

# %% [markdown]
# In the wide network a half costs a little. In the narrow one it is a disaster:
# with 16 units and rate 0.5, eight on average do the work of sixteen. The authors
# say so themselves: who wants $n$ units left should begin with $n/(1-p)$. A rate
# without a width means nothing; tune it like any other nuisance.
#
# ### “Dropout slows training”
#
# How many steps until 90 % of the validation images are right, at rate 0.5 and
# without dropout, each at the learning rate that gets *it* there first? The authors
# say two to three times as many. The thin line in the figure is the goal.

# %%
slows = claims.get("do-slows")
race = slows.trial(datasets.digits, range(slows.seeds))
ax = plots.lines(race.val_accuracy.sel(step=slice(0, 330)), "step",
                   by="dropout", title="Dropout gets there later",
                   labels={0.0: "without dropout", 0.5: "rate 0.5"})
_ = ax.axhline(trials.GOAL, color="0.4", linewidth=1, marker="")
verdicts.append(slows.judge(race))
verdicts[-1]

# %% [markdown]
# This one holds, and on tones it takes even more steps. Each step trains half a
# network. A dropout arm that gets no more epochs than the plain one may have been
# stopped too early. The other trials of this lecture do give both arms the same number
# of epochs; their verdicts hold for that budget.
#
# ### “Do not use dropout with batch norm”
#
# The reason people give is a good one. Dropout keeps the mean and raises the
# variance. A batch normalization behind it learns that raised variance; at inference
# nothing is dropped, and the features are divided by a spread that they no longer
# have (the *variance shift* of Li et al. 2019). For $z = y\,w$, with weights $w$
# around zero and independent features,
#
# $$\frac{\operatorname{Var}_{\text{training}}(z)}
# {\operatorname{Var}_{\text{inference}}(z)}
# \approx 1 + \frac{p}{1-p}\,\frac{\mathbb E[x^2]}{\operatorname{Var}(x)} .$$
#
# Does it come out so, for features behind a ReLU?

# %%
x = np.maximum(rng.normal(size=(4_000, 64)), 0)
kernel = rng.normal(size=(64, 500))
for rate in (0.1, 0.2, 0.5):
    dropped, _ = dropout_forward(x, rate, rng)
    ratio = np.mean((dropped @ kernel).var(0)) / np.mean((x @ kernel).var(0))
    said = 1 + rate / (1 - rate) * np.mean(x**2) / np.mean(x.var(0))
    print(f"rate {rate}: variance in training {ratio:.2f} times that at "
          f"inference, by the formula {said:.2f}")

# %% [markdown]
# So much for the theory. The trial: two hidden layers, each with batch norm, and
# *one* dropout layer of rate 0.5: between them, where the second normalization sees
# dropped features; or behind the last normalization, where none does. The claim
# needs a loss of one point, between them, with right labels.

# %%
beside = claims.get("do-batch-norm")
normalized = beside.trial(datasets.digits, range(beside.seeds))
gains = trials.gained_beside(normalized)
names = {"between": "between two batch norms", "behind": "behind the last one"}
_ = plots.intervals(
    {f"{where}, {noise:.0%} wrong": stats.interval(
        gains.sel(place=place, label_noise=noise))
     for noise in (0.0, 0.3) for place, where in names.items()},
    neutral=0, threshold=-beside.threshold,
    xlabel="accuracy gained by dropout",
    title="On digits the two get along")
verdicts.append(beside.judge(normalized))
verdicts[-1]

# %% [markdown] tags=["instructor"]
# **Point at** the two lower rows before the upper ones: with wrong labels
# dropout gains beside batch norm, in either place. The theory above is right,
# the variance does shift; here it costs next to nothing. **Short of time:**
# show the figure and leave out the formula.

# %% [markdown]
# The variance shift is real, and here it costs a fraction of a point at most. With
# wrong labels dropout pays beside batch norm too, *in either place*. Why so
# harmless? Perhaps because there is only one such layer, and each sum behind it has
# 64 inputs: Li et al. themselves find that wide layers shrink the shift. On tones,
# in the ledger, it costs more. If you can choose, put dropout behind the last
# normalization, where there is no shift at all. “Never together” is not what the
# measurement says.
#
# ## Monte-Carlo dropout
#
# A network that drops units at inference too gives another answer each time. How
# much the answers differ is, says a celebrated paper, how *uncertain* the network is
# (Gal & Ghahramani 2016: dropout training as approximate Bayesian inference). Try it
# on something no network here has seen: digits turned by 90°.

# %%
quiz.ask("09", "rotated")

# %%
upright = digits.x_val
turned = np.rot90(upright.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)


def monte_carlo(net, x, passes=30):
    """Mean of softmax outputs with units dropped; (samples, classes)."""
    answers = net(np.tile(x, (passes, 1)), training=True)
    return np.mean(np.split(answers, passes), axis=0)


# %%
figure, axes = plots.panels(2)
for ax, (title, ask) in zip(axes, {
        "One answer is often too sure …": model,
        "… the mean of 30 is less sure": lambda x: monte_carlo(model, x),
        }.items(), strict=True):
    for label, x in {"upright": upright, "turned": turned}.items():
        ax.hist(np.max(ask(x), -1), np.linspace(0, 1, 21), alpha=0.6,
                label=label)
    ax.set(title=title, xlabel="highest probability", ylabel="images")
_ = axes[0].legend(loc="upper left")

# %% [markdown] tags=["instructor"]
# **Ask** the prediction before it, then mind the two scales. On the left the
# network is as sure of turned digits as of upright ones. “It will notice” is
# what one would like. On the right it is less sure, of *both*: so has it
# noticed anything? The next figure answers, and only half in favor.

# %% [markdown]
# (Mind the two scales.) The network is as sure of turned digits as of upright ones.
# The mean of thirty answers is less sure, of *both*. So has it noticed anything, or is
# it only more modest?
#
# One network, one picture. Train ten, and ask what an uncertainty is *for*: it should
# be higher where one must not trust the answer. We take the entropy
# $-\sum_k q_k \log q_k$ of the probabilities $q$ and measure how often it is higher
# for an image of the one kind than for an image of the other (the area under the ROC
# curve; one half is guessing).

# %%
from sklearn.metrics import roc_auc_score


def worth(net, ask):
    """Three numbers for one way of asking a network for probabilities."""
    known, strange = ask(upright), ask(turned)
    entropy = [-np.sum(q * np.log(q + 1e-9), -1) for q in (known, strange)]
    wrong = known.argmax(1) != digits.y_val
    kind = np.repeat([0, 1], len(upright))
    return {"accuracy, upright": 1 - wrong.mean(),
            "tells turned from upright": roc_auc_score(
                kind, np.concatenate(entropy)),
            "tells mistakes from hits": roc_auc_score(wrong, entropy[0])}


# %%
net = models.mlp(depth=2, dropout=0.5)
net.compile(keras.optimizers.SGD(0.3), "sparse_categorical_crossentropy",
            steps_per_execution=16)
rows = []
for seed in range(10):
    keras.utils.set_random_seed(seed)
    net.set_weights(models.mlp(depth=2, dropout=0.5).get_weights())
    net.fit(digits.x_train[:1024], digits.y_train[:1024], batch_size=64,
            epochs=10, verbose=0)
    rows.append([worth(net, lambda x: net(x).numpy()),
                 worth(net, lambda x: monte_carlo(net, x))])

# %%
scores = {name: xr.DataArray([[way[name] for way in row] for row in rows],
                             {"way": ["once", "Monte Carlo"]}, ("seed", "way"))
          for name in rows[0][0]}
for name, score in scores.items():
    once, thirty = score.mean("seed").values
    print(f"{name:26} asked once {once:.2f}, thirty times {thirty:.2f}")
ax = plots.intervals(
    {name: stats.paired_difference(score, "way", between=score.way.values)
     for name, score in scores.items()}, neutral=0,
    xlabel="gained by Monte-Carlo dropout",
    title="Better at strangers, worse at its own mistakes")
ax.locator_params(axis="x", nbins=6)

# %% [markdown]
# Turned digits it tells better than one answer does, which does no better than
# guessing; but it remains far from reliable. And of its *own mistakes* the single
# answer, for a thirtieth of the price, knew more. (Each way of asking is scored on its
# own mistakes, and these are not quite the same images.) Gal & Ghahramani promise a
# model's uncertainty; how good it is depends on rate, width and question, and has to be
# measured like everything else. (Several networks trained apart are the rival to beat:
# Lakshminarayanan et al. 2017.)
#
# ## What goes wrong
#
# **“My model gives another answer every time.”** Dropout is on at inference: a call
# with `training=True`, or a layer of your own that never asks for the mode.

# %% tags=["nbval-check-output"]
for training in (True, False):
    twice = [model(upright, training=training).numpy() for _ in range(2)]
    print(f"training={training}: two calls agree: {np.allclose(*twice)}")

# %% [markdown]
# Mended by `training=False`, which is what `predict` and a plain call say. The
# reverse, a training loop of your own without `training=True`, is as silent as in
# lecture 06: nothing is ever dropped.
#
# **“I changed nothing but the rate.”** Then you compared two networks at the best
# learning rate of one. In the lab, at 0.3, dropout gained; at 0.03 the network
# without it has hardly begun to learn wrong labels. How large is the gain at each
# learning rate, if both arms must share it?

# %%
shared = fit_many(models.mlp, digits, epochs=20, grid={
    "width": 64, "depth": 2, "label_noise": 0.3, "dropout": [0.0, 0.2],
    "learning_rate": [0.03, 0.1, 0.3], "seed": range(10)})
gap = stats.paired_difference(shared.val_accuracy.isel(epoch=-1), "dropout",
                              between=(0.0, 0.2))
_ = plots.intervals(
    {f"learning rate {rate:g}": gap.sel(learning_rate=rate)
     for rate in shared.learning_rate.values}, neutral=0,
    xlabel="accuracy gained by rate 0.2, both arms at one learning rate",
    title="Choose the learning rate, and you choose the finding")

# %% [markdown] tags=["instructor"]
# **Ask** who is right: the one who reports a triumph or the one who reports
# nothing? Both measured properly, at one common rate each. If you show one
# trap only, show this one. **Homework:** 3.1 to 3.3 for all; 3.5 is the best
# long question of the exercise; 3.6 to end with.

# %% [markdown]
# The same rate, the same data, the same seeds. Who fixes a high learning rate reports a
# triumph, who fixes a low one reports nothing. In a training as short as this one a low
# learning rate holds a network back from the wrong labels, too; two such means are
# compared only if each is set well.
#
# **“Dropout between my convolutions does nothing.”** A pixel of a feature map, so
# people say, has neighbors that know it, and dropping it hides nothing.
# `SpatialDropout2D` drops whole maps (Tompson et al. 2015). How much of the variance of
# a pixel do the four beside it explain, here? And what do the two layers leave of three
# maps of one image?

# %%
from sklearn.linear_model import LinearRegression

keras.utils.set_random_seed(0)
maps = layers.Conv2D(8, 3, padding="same", activation="relu")(
    digits.x_val.reshape(-1, 8, 8, 1)).numpy()
inner = maps[:, 1:-1, 1:-1]
beside_it = [maps[:, 1 + up:7 + up, 1 + over:7 + over]
             for up, over in ((0, 1), (1, 0), (0, -1), (-1, 0))]
told = [LinearRegression().fit(near, pixel).score(near, pixel) for near, pixel
        in ((np.stack([side[..., n].ravel() for side in beside_it], 1),
             inner[..., n].ravel()) for n in range(8))]
print(f"explained by four neighbors: {np.mean(told):.0%}, "
      f"mean of {len(told)} feature maps")

# %%
keras.utils.set_random_seed(11)
left = {"as it is": maps[:1]} | {
    kind.__name__: kind(0.5)(maps[:1], training=True).numpy()
    for kind in (layers.Dropout, layers.SpatialDropout2D)}
brightest = np.argsort(-maps[0].sum((0, 1)))[:3]
_ = plots.images([{name: image[0, ..., n] for name, image in left.items()}
                  for n in brightest],
                 title="One drops pixels, the other whole maps")

# %% [markdown]
# In these maps of 8 × 8 images, from a layer that is not trained yet, the neighbors
# explain less than half of the variance of a pixel. Where neighbors are more alike, as
# in large photographs, expect more. (The gray scale is another one in each column, so
# the figure does not show that what is kept has doubled.) So ask how your features hang
# together before you choose: units for `Dense`, maps for convolutions with large,
# smooth maps, `SpatialDropout1D` for sequences. Both keep the mean, and both have a
# rate to tune.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    if verdict.claim.key == "do-slows":   # the others are close
        print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: dropout multiplies by a mask with mean one, forward and backward; it
# needs more steps; it can pay where labels are wrong, and can cost a lot where units
# are few; its training accuracy is measured with noise. You may not say that it
# prevents overfitting, that 0.5 is the rate, or that batch norm forbids it. And never
# that it gained a point, without saying at which learning rates.
#
# **Where to go next.** Lecture 10 has the other brakes: penalties on weights, early
# stopping, smoothed labels. Exercise {{exercise}} is about dropout.
#
# **References.**
#
# - N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov:
#   *Dropout: a simple way to prevent neural networks from overfitting*, JMLR 15,
#   2014.
# - P. Baldi, P. Sadowski: *Understanding dropout*, NIPS 2013.
# - J. Tompson, R. Goroshin, A. Jain, Y. LeCun, C. Bregler: *Efficient object
#   localization using convolutional networks*, CVPR 2015 (spatial dropout).
# - Y. Gal, Z. Ghahramani: *Dropout as a Bayesian approximation: representing model
#   uncertainty in deep learning*, ICML 2016.
# - B. Lakshminarayanan, A. Pritzel, C. Blundell: *Simple and scalable predictive
#   uncertainty estimation using deep ensembles*, NIPS 2017.
# - X. Li, S. Chen, X. Hu, J. Yang: *Understanding the disharmony between dropout
#   and batch normalization by variance shift*, CVPR 2019.
