# ---
# jupyter:
#   course:
#     minutes: 55
#     exercise: "04"
#     lab: penalties
# ---

# %% [markdown]
# # Weight regularization: which brake?
#
# After this lecture you can
#
# - **write** L2, L1, weight decay, max-norm, label smoothing and early stopping in
#   Keras, and **say** what each takes hold of;
# - **tell** when L2 and weight decay are the same training, and when they are not;
# - **decide** which weights are left alone;
# - **compare** brakes fairly, each with the same budget of tuning;
# - **correct** the score of an epoch that was chosen by that score.
#
# You need about {{minutes}} minutes. It builds on lectures 03 (intervals of a difference)
# and 06 (batch norm and weight decay). Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# 1. “L2 regularization and weight decay are the same.”
# 2. “Regularization always helps generalization.”
# 3. “Early stopping is a free lunch.”
# 4. “Batch norm makes L2 regularization useless.”
#
# ## Predict first

# %%
from course_utils import quiz

quiz.ask("10", "same")

# %% [markdown] tags=["instructor"]
# **Ask.** “The same: both subtract a share of each weight” is true under plain
# SGD and what one has learned. “The decay, its number is larger” is a reading
# of the digits. Leave it open until the cell with the three optimizers.

# %% [markdown]
# ## The idea
#
# Training wants a small loss $L(w)$. A penalty makes it want small weights too:
#
# $$L(w) + \lambda \sum_i w_i^2 \;\;\text{(L2, ridge)}, \qquad
# L(w) + \lambda \sum_i |w_i| \;\;\text{(L1, lasso)}.$$
#
# The gradient of the first is $2\lambda w$: it pulls a weight the harder, the larger
# it is. That of the second is $\lambda\,\mathrm{sign}(w)$: it pulls each weight
# equally hard, all the way to zero.
#
# Begin where the answer has a formula: a linear model with 200 features and 20
# samples. (Dive into Deep Learning shows its weight decay on such data.) For the mean
# squared error the best weights under L2 are
# $w = (\tfrac1n X^\top X + \lambda I)^{-1} \tfrac1n X^\top y$, with $X$ of shape
# $(n, D)$. Without a penalty countless weights fit the 20 samples exactly, and
# gradient descent finds those nearest to its *start*.

# %%
import numpy as np


def draw(seed, features=200):
    """20 samples to train on, 200 fresh ones; every feature counts a bit."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(220, features))
    y = 0.01 * x.sum(1) + rng.normal(0, 0.01, 220)
    return x[:20], y[:20], x[20:], y[20:], rng.normal(size=features)


def ridge(x, y, strength):
    n, features = x.shape
    if features > n:   # the same weights from fewer equations
        return x.T @ np.linalg.solve(x @ x.T + n * strength * np.eye(n), y)
    return np.linalg.solve(x.T @ x + n * strength * np.eye(features), x.T @ y)


# %% [markdown]
# Thirty draws. In the figure gradient descent starts at zero; look how far the curve
# gets below the dashed line.

# %%
import xarray as xr

strengths, errors = np.logspace(-2, 3, 11), []
for seed in range(30):
    x, y, x_new, y_new, start = draw(seed)
    nearest = [w + np.linalg.pinv(x) @ (y - x @ w)
               for w in (0 * start, 0.01 * start, start)]
    weights = [ridge(x, y, strength) for strength in strengths]
    errors.append([np.mean((x_new @ w - y_new)**2)
                   for w in [*nearest, 0 * start, *weights]])
errors = np.array(errors)
curve = xr.DataArray(errors[:, 4:], {"strength": strengths},
                     ("seed", "strength"), name="error on fresh samples")

# %%
from course_utils import plots, stats

ax = plots.lines(curve, "strength", title="From a start at zero the "
                   "penalty gains next to nothing")
for column, name in {0: "no penalty", 3: "no model: always 0"}.items():
    ax.plot(strengths, [errors[:, column].mean()] * 11, marker="", label=name)
ax.set(xscale="log", xlabel="strength λ of the penalty")
_ = ax.legend(loc="upper left")

# %% [markdown] tags=["instructor"]
# **Ask** how far below the dashed line the curve gets. Hardly at all, and that
# surprises whoever has seen the textbook picture. The cell after next is the same
# experiment from random weights: there the penalty removes half of the error or nearly
# all of it, and what it removes is the start. Five minutes for the two.

# %% [markdown]
# No strength gets below the dashed line: of all weights that fit, gradient descent from
# zero finds the smallest already. (Elsewhere a penalty does gain over those, as the end
# of this lecture shows.) And yet on such data people see the error collapse as soon as
# there is a penalty. They start at random:

# %%
for name, column in {"zero": 0, "N(0, 0.01²)": 1, "N(0, 1)": 2}.items():
    share = xr.DataArray(1 - curve.sel(strength=1) / errors[:, column])
    gain = stats.interval(share)
    print(f"no penalty, from {name:11}: error {errors[:, column].mean():8.3f}; "
          f"λ = 1 removes {gain['mean']:.1%} of it "
          f"[{gain['low']:.1%}, {gain['high']:.1%}]")

# %% [markdown]
# Weights drawn at random point in 180 directions that no sample contradicts, and only a
# penalty makes them forget where they began. How far the error falls depends on the
# start: from a standard deviation of 0.01, as in the edition of Dive into Deep Learning
# that is cited below, by about half; from 1, by nearly all. A Keras layer with that
# penalty is the same model, from any start:

# %% tags=["nbval-check-output"]
import keras

x, y, *_ = draw(0)
for start in ("zeros", "random_normal"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(
        1, use_bias=False, kernel_initializer=start,
        kernel_regularizer=keras.regularizers.L2(1.0))])
    model.compile(keras.optimizers.SGD(0.03), "mse")
    model.fit(np.tile(x, (150, 1)), np.tile(y, 150), batch_size=20,
              shuffle=False, verbose=0)   # 150 steps on all 20 samples
    close = np.allclose(model.get_weights()[0][:, 0], ridge(x, y, 1.0),
                        atol=1e-4)
    print(f"from {start}: the network found the formula's weights: {close}")

# %% [markdown]
# ### L1 makes zeros
#
# The diabetes table of lecture 04, ten standardized features. Each line is the weight
# of one feature as λ grows. Which picture would you rather explain to a doctor?

# %%
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lasso_path
from sklearn.preprocessing import StandardScaler

table = load_diabetes(scaled=False)
x, y = StandardScaler().fit_transform(table.data), table.target
centered, wide = y - y.mean(), np.logspace(-2, 3, 60)
paths = {"L2 turns none off": [ridge(x, centered, s) for s in wide],
         "L1 turns them off one by one": lasso_path(   # its loss is halved
             x, centered, alphas=wide[::-1] / 2)[1].T[::-1]}
figure, axes = plots.panels(2)
for ax, (title, path) in zip(axes, paths.items(), strict=True):
    ax.plot(wide, path, marker="", linestyle="-")
    ax.set_title(title)
    ax.set(xscale="log", xlabel="strength λ", ylabel="weight")

# %% [markdown] tags=["instructor"]
# **Ask** which picture one would rather explain to a doctor. Then the trap: a
# zero does not mean *irrelevant*. L1 keeps one of two features that say the
# same and drops the other.

# %% [markdown]
# L2 makes the sum of the squares smaller, not every weight: some grow in size before
# they shrink. It shares the work among features that say the same; L1 picks one and
# drops the other. So read its zeros as “not needed beside the rest”, not as
# “irrelevant”.
#
# ### The other brakes
#
# | brake | in Keras | takes hold of |
# |---|---|---|
# | L2, L1 | `Dense(…, kernel_regularizer=regularizers.L2(0.01))` | the loss |
# | weight decay | `optimizers.AdamW(weight_decay=0.1)` | the update |
# | max-norm | `Dense(…, kernel_constraint=constraints.MaxNorm(2))` | each unit's weights |
# | label smoothing | `CategoricalCrossentropy(label_smoothing=0.1)` | the labels |
# | early stopping | `callbacks.EarlyStopping(patience=3)` | the time |
#
# Two of them in numbers: a label of four classes, and two units of which one is too
# long.

# %%
print("smoothed label:", np.eye(4)[2] * (1 - 0.1) + 0.1 / 4)
bounded = keras.constraints.MaxNorm(2.0)(np.array([[3.0, 0.6], [4.0, 0.8]]))
print("bounded weights, a column for each unit:\n", bounded.numpy().round(2))

# %% [markdown]
# ## Weight decay is not L2
#
# Weight decay leaves the loss alone and makes every weight smaller by a share, in
# each update of rate $\eta$: $w \leftarrow w - \eta\, d\, w$. Under plain SGD the
# penalty subtracts $\eta \cdot 2\lambda w$. So $d = 2\lambda$ is *the same training*.
# Under which other optimizers? One kernel, in float64, twenty steps each way:

# %%
import tensorflow as tf

from course_utils import datasets

digits = datasets.digits(seed=0)
images = digits.x_train.astype("float64")
score = tf.nn.sparse_softmax_cross_entropy_with_logits


def trained(optimizer, penalty=0.0):
    """A softmax layer's kernel after twenty steps."""
    w = keras.Variable(np.zeros((64, 10)), dtype="float64")
    for rows in np.arange(640).reshape(20, 32):
        with tf.GradientTape() as tape:
            scores = tf.matmul(images[rows], w.value)
            loss = tf.reduce_mean(score(digits.y_train[rows], scores)
                                  ) + penalty * tf.reduce_sum(w.value**2)
        optimizer.apply([tape.gradient(loss, w.value)], [w])
    return w.numpy()


# %% tags=["nbval-check-output"]
from keras.optimizers import SGD, Adam

kinds = {"SGD": lambda decay=None: SGD(0.1, weight_decay=decay),
         "SGD, momentum": lambda decay=None: SGD(0.1, 0.9, weight_decay=decay),
         "Adam": lambda decay=None: Adam(0.01, weight_decay=decay)}
for name, make in kinds.items():
    plain = trained(make())
    l2, decay = trained(make(), 0.05), trained(make(0.1))
    same = np.abs(l2 - decay).max() < 1e-9
    shrunk = [1 - np.linalg.norm(w) / np.linalg.norm(plain)
              for w in (l2, decay)]
    print(f"{name:14} the same: {same!s:6} "
          f"L2 shrinks the weights more: {shrunk[0] > shrunk[1] + 0.01}")

# %% [markdown] tags=["instructor"]
# **Back to the prediction:** the first row is the textbook, the other two are
# what people use. Let somebody explain the row with momentum: the penalty goes
# into the velocity and comes back many times, the decay acts once.

# %% [markdown]
# With momentum the penalty's gradient goes into the velocity and comes back many
# times; the decay acts once. With Adam the penalty's gradient is divided by the size
# of the gradients, like any other: a weight whose gradients are large is hardly held
# back, one with tiny gradients is pushed to zero at full speed. The decay treats all
# alike. That is why Loshchilov & Hutter took it out of the gradient, and AdamW was
# named for it.
#
# ### What is left alone
#
# Biases, γ and β are usually spared. It is a custom, and costs little: they are few,
# and shrinking γ pulls it to zero, not to the one it begins with.
# `kernel_regularizer` reaches kernels only. But `weight_decay` reaches *everything*,
# unless you say otherwise. One update with all gradients zero; which variables
# shrink?

# %% tags=["nbval-check-output"]
from course_utils import models

for spared in ([], ["bias", "gamma", "beta"]):
    net = models.mlp(batch_norm=True, depth=1)
    for variable in net.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=spared)
    optimizer.apply([np.zeros(variable.shape, "float32") for variable in
                     net.trainable_variables], net.trainable_variables)
    print(f"exclude {spared}:", *[variable.name for variable in
                                  net.trainable_variables
                                  if np.max(variable) < 0.99])

# %% [markdown]
# ## The lab
#
# The lab trains ten networks with one hidden layer by SGD, on few images with label
# noise, with regularization and without. On the left are the weights of the first layer
# (note the logarithmic axis); on the right is the accuracy. Strength 1 has a different
# meaning for each kind of regularization; the sentence above the figure gives the value
# that you would pass to Keras. Below the lab are three things to try. (`labs.emoji()`,
# the lab of the welcome page, has weight decay and label noise for real drawings.)

# %%
from course_utils import labs

labs.penalties()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** The gain from L2 grows up to a strength in the upper half of
# the slider; a little further on, the network stops learning. L1 has the peak at zero
# and the long tails. With many clean images, no kind of regularization helps, and
# some kinds cost accuracy. **Point at** the logarithmic axis of the histogram before
# anybody compares heights.

# %% [markdown]
# ## Early stopping
#
# Watch a validation score, and keep the weights of the best epoch. In Keras it is a
# callback. Without `restore_best_weights=True` you keep those of the *last* epoch,
# after `patience` epochs that were worse. 40 % of the labels of 200 images are wrong:

# %%
x, y = digits.x_train[:200], datasets.with_label_noise(
    digits.y_train[:200], 0.4, 10, np.random.default_rng(0))
keras.utils.set_random_seed(0)
model = models.mlp(depth=2, width=32)
model.compile(Adam(0.02), "sparse_categorical_crossentropy")
stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
fitted = model.fit(x, y, epochs=60, verbose=0, callbacks=[stop],
                   validation_data=(digits.x_val, digits.y_val))
print(f"trained {len(fitted.epoch)} epochs, kept number {stop.best_epoch + 1}")

# %% [markdown]
# One run says little. `early_stopping` reads off complete curves what each patience
# would have kept. Look for the epoch with the highest validation accuracy (where the
# curves cross means nothing); then read the table, best weights against last ones.
# Patience 0 and 1 are the same rule: both stop at the first epoch that is no better.

# %%
from course_utils import early_stopping, fit_many
from course_utils.claims.weight_regularization import NETWORK, SITUATIONS

noisy = {**NETWORK, **SITUATIONS["wrong labels"], "seed": range(16)}
runs = fit_many(models.mlp, digits, {**noisy, "learning_rate": 0.006},
                epochs=12, optimizer="adam")
_ = plots.curves(runs, "accuracy", title="Learned by heart: the training "
                 "score rises, the other falls")

# %%
for patience in (0, 1, 3, 10):
    kept = early_stopping(runs, patience=patience, monitor="val_accuracy")
    last = runs.val_accuracy.sel(epoch=kept.stopped_epoch)
    print(f"patience {patience:2}: {float(kept.stopped_epoch.mean()):4.1f} "
          f"epochs, accuracy of the best {kept.val_accuracy.mean():.3f}, "
          f"of the last {last.mean():.3f}")
slow = fit_many(models.mlp, digits, {**noisy, "learning_rate": 0.0007},
                epochs=40, optimizer="adam").val_accuracy.mean("seed")
print(f"never stopped, at learning rate 0.0007: {slow.sel(epoch=12):.3f} "
      f"after 12 epochs, {slow.sel(epoch=40):.3f} after 40")

# %% [markdown] tags=["instructor"]
# **Point at** the two columns: patience costs time; accuracy only for those who keep
# the last weights. Then at the last line: a small learning rate looks like a brake as
# long as the training is short; in a longer one the wrong labels are learned all the
# same. It may explain why fair comparisons in this lecture come out so undramatic: all
# trainings are short.

# %% [markdown]
# Patience costs time, and accuracy only for those who do not restore the best weights.
# And the last line: after twelve epochs a small learning rate does as well as early
# stopping, after forty it does not. So it delays rather than prevents, and in trials as
# short as ours one cannot tell the two apart. But the images that chose the epoch also
# gave its score. Are these scores true?

# %%
quiz.ask("10", "lunch")

# %% [markdown]
# ## The trial
#
# ### “L2 regularization and weight decay are the same”
#
# Networks of two hidden layers under Adam, 40 % wrong labels. First with the same
# number, the penalty 0.01 against the decay 0.02: is as much learned by heart?

# %%
from course_utils import claims

same = claims.get("wr-same")
swapped = same.trial(datasets.digits, range(same.seeds))
verdicts = [same.judge(swapped)]
verdicts[-1]

# %% [markdown]
# Not the same: on digits the penalty holds back far more. What does that mean for the
# accuracy on validation images? Take the best penalty λ; put weight decay 2λ in its
# place; and then let weight decay choose its own strength. Which of these differ?

# %%
scores = swapped.val_accuracy - swapped.val_accuracy.sel(arm="L2 penalty λ")
_ = plots.intervals(
    {arm: stats.interval(scores.sel(arm=arm))
     for arm in swapped.arm.values[1:]},
    neutral=0, xlabel="accuracy gained over the best L2 penalty, Adam",
    title="The same number loses; tuned, no clear lead")

# %% [markdown]
# Who swaps the word and keeps the number loses much of the brake. Who tunes each cannot
# tell, here, which is ahead. So: not the same, and each needs its own search.
#
# ### “Regularization always helps generalization”
#
# All brakes, in three situations: few images with wrong labels, few images, all images
# with right labels. *The same budget for all*: eight epochs, and four settings, tried
# on seeds that measure nothing else. (All seeds share one split; the intervals do not
# cover the luck of other images.) A brake has two learning rates times two strengths.
# No brake has four learning rates, which reach further. Early stopping chooses on one
# half of the validation images and is scored on the other.

# %%
quiz.ask("10", "pays")

# %% [markdown] tags=["instructor"]
# **Ask,** one vote for each situation. “Everywhere, that is what they are for”
# is the tempting answer. Then the three panels: **point at** every interval
# that contains zero. The budget was the same for all, and the network without
# a brake could choose a small learning rate.

# %%
always = claims.get("wr-always")
brakes = always.trial(datasets.digits, range(always.seeds))
gained = brakes.val_accuracy - brakes.val_accuracy.sel(brake="none")

# %% [markdown]
# In each panel look for the intervals that leave zero out, on either side.

# %%
figure, axes = plots.panels(3)
figure.set_size_inches(12, 3.8)
for ax, (situation, title) in zip(axes, {
        "wrong labels": "Wrong labels: a brake pays",
        "few images": "Few images: no clear lead",
        "clean": "Clean: no clear lead"}.items(), strict=True):
    effects = gained.sel(situation=situation)
    plots.intervals({plots.axis_label(brake): stats.interval(effects.sel(
        brake=brake)) for brake in brakes.brake.values[1:]}, ax=ax,
        xlabel="accuracy gained", title=title)
    ax.axvline(0, color="0.4", linewidth=1, linestyle="-", marker="")
    ax.set_xlim(-0.04, 0.07)
    ax.tick_params(labelleft=ax is axes[0])
verdicts.append(always.judge(brakes))
verdicts[-1]

# %% [markdown] tags=["instructor"]
# **The figure not to skip;** read it panel by panel. Left: something wrong
# could be learned by heart. Middle and right: nothing can be told from none.
# **Question:** “So regularization is useless?” No: see the second task in the
# ledger, where the noise is in the inputs. “Always” fails, and “never” would.

# %% [markdown]
# Where wrong labels can be learned by heart, most brakes gain. With few or clean digits
# not one can be told from none at all. Mind what the budget did, too: the network
# without a brake could choose a small learning rate, which in eight epochs learns few
# wrong labels. And look at the second task in the ledger below, tones in noise. Its
# labels are right and its penalty gains a lot, perhaps because noise in the *inputs*
# can be learned by heart as well. So “always” fails, and “never” would.
#
# ### “Early stopping is a free lunch”
#
# Somebody has to be watched. 200 clean images: train on all of them to the end; or keep
# 40 back, and stop early by their loss. Both are scored on images that neither has
# trained on. (On other seeds the same images have chosen rate and patience: in practice
# the training to the end would have to give up images for that, too.)

# %%
lunch = claims.get("wr-free-lunch")
stopped = lunch.trial(datasets.digits, range(lunch.seeds))
verdicts.append(lunch.judge(stopped))
verdicts[-1]

# %% [markdown]
# The price is the images that did not train. On digits the interval cannot tell whether
# it is more than a point; on the second task it is plain. (Once the epoch is known, one
# may train again on all 200; then the price is a second training.) And the bill has a
# second line: by how much does the chosen epoch look better on the images that chose it
# than on others? Count on how few images people do this.

# %%
_ = plots.intervals(
    {f"{images} images choose": stats.interval(
        stopped.optimism.sel(images=images))
     for images in stopped.images.values}, neutral=0,
    xlabel="accuracy on the images that chose, minus on others",
    title="The fewer images choose, the more luck is chosen")

# %% [markdown] tags=["instructor"]
# **Open the prediction** about the free lunch here: no weight was trained on
# those images, but the epoch was chosen on them. Ask on how many images people
# in the room do this. The remedy is one sentence: report another score than
# the one that chose.

# %% [markdown]
# ### “Batch norm makes L2 regularization useless”
#
# Before a normalization a kernel may shrink without changing the function (lecture
# 06), so what is left for a penalty to do? Wrong labels again; the best of four
# settings without a penalty, against the best of four with one.

# %%
useless = claims.get("wr-batch-norm")
normalized = useless.trial(datasets.digits, range(useless.seeds))
verdicts.append(useless.judge(normalized))
verdicts[-1]

# %% [markdown]
# Read the interval, and then the second task in the ledger below, where the answer is
# clear. Two things keep a penalty from being useless. The softmax layer is not
# normalized. And in front of a normalization L2 is a schedule of the learning rate.
#
# ## By heart, and beyond
#
# How much can a network store? Give it labels drawn at random: nothing to be
# understood, all to be learned by heart (Zhang et al. 2017). Where do the curves end?

# %%
runs = fit_many(models.mlp, digits, {
    **noisy, "label_noise": [0.0, 0.9], "l2": [0.0, 0.003],   # 0.9 is random
    "learning_rate": 0.01, "seed": range(10)}, epochs=20, optimizer="adam")
names = {(0.0, 0.0): "right labels", (0.0, 0.003): "right labels, L2",
         (0.9, 0.0): "random labels", (0.9, 0.003): "random labels, L2"}
curves = xr.concat([runs.accuracy.sel(label_noise=noise, l2=l2, drop=True)
                    for noise, l2 in names],
                   xr.Variable("labels", [*names.values()]))
_ = plots.lines(curves, "epoch", by="labels",
                  labels={name: name for name in names.values()},
                  title="Random labels are learned as well, only later")

# %% [markdown]
# The network is large enough for *any* labels of these 200 images. So what makes it
# generalize with right ones is not its size, and not the penalty alone, which hinders
# the random labels more than the right ones.
#
# That leads to an open end. The old rule says: past the size that fits the training
# data exactly, a model only gets worse. Here is ridge regression on random ReLU
# features of 60 noisy samples. Follow the curve without a penalty past 60.

# %%
def fresh_error(seed, sizes, strength):
    """Log10 of the error on fresh samples, for each number of features."""
    rng = np.random.default_rng(seed)
    first, truth = rng.normal(size=(20, max(sizes))), rng.normal(size=20)
    x = rng.normal(size=(360, 20)) / 20**0.5
    y = np.tanh(2 * x @ truth) + rng.normal(0, 0.3, 360)
    every, found = np.maximum(x @ first, 0), []
    for size in sizes:
        features = every[:, :size] / size**0.5
        w = (ridge(features[:60], y[:60], strength) if strength
             else np.linalg.pinv(features[:60]) @ y[:60])
        found.append(np.mean((features[60:] @ w - y[60:])**2))
    return np.log10(found)


# %%
sizes = [5, 10, 20, 30, 40, 50, 60, 70, 85, 110, 150, 220, 320]
penalties = {0.0: "no penalty", 0.001: "L2, λ = 0.001"}
descent = xr.DataArray(
    [[fresh_error(seed, sizes, strength) for seed in range(10)]
     for strength in penalties],
    {"strength": [*penalties], "features": sizes},
    ("strength", "seed", "features"), name="log10 of the error")
ax = plots.lines(descent, "features", by="strength", labels=penalties,
                   title="A second descent; the penalty removes the peak")
_ = ax.axvline(60, color="0.4", linewidth=1, linestyle=":", marker="")

# %% [markdown] tags=["instructor"]
# **For a curious class** only; five minutes. Follow the line without a penalty
# past the dotted one: up to the peak and down again. Promise nothing about
# deep networks. **Short of time:** leave out all of “By heart, and beyond”.
# **Homework:** 4.1 and 4.3; 4.4 in pairs, it holds most of the mistakes of
# real projects; 4.5.

# %% [markdown]
# The error explodes where there are as many features as samples, and falls again
# beyond (Belkin et al. 2019). With a well chosen penalty there is no peak (Nakkiran et
# al. 2021). How much of this carries over to trained deep networks is being worked
# out; do not promise it.
#
# ## What goes wrong
#
# **“I turned L2 on, and my validation loss jumped.”** Keras adds the penalty to
# both losses. The same network, untrained, with three strengths:

# %%
for strength in (0.0, 0.01, 0.1):
    keras.utils.set_random_seed(0)
    model = models.mlp(l2=strength)
    model.compile("sgd", "sparse_categorical_crossentropy")
    loss = model.evaluate(digits.x_val, digits.y_val, verbose=0)
    penalty = sum(float(added) for added in model.losses)
    print(f"L2 {strength:4}: loss {loss:6.2f}, "
          f"without the penalty {loss - penalty:.2f}")

# %% [markdown]
# Mended by comparing an accuracy, or `val_loss` minus `sum(model.losses)`; and an
# `EarlyStopping` that monitors `val_loss` may be watching the penalty fall.
#
# **“L1 gave me a sparse network.”** Count. Of the first layer's weights in the lab:

# %%
from course_utils.labs.penalties_lab import train

kernel = train(digits, kind="L1", strength=0.3, label_noise=0.0,
               images=400).weights.sel(arm="with")
print(f"exactly zero: {float((kernel == 0).mean()):.0%}, "
      f"within 0.01 of it: {float((abs(kernel) < 0.01).mean()):.0%}")

# %% [markdown]
# Gradient descent steps *across* zero and back, never onto it. Mended by setting
# small weights to zero after training, and measuring the accuracy again.
#
# **“I penalized everything.”** The diabetes table once more, with an intercept that is
# penalized like any other weight; and with one feature in other units:

# %%
columns = np.hstack([x := StandardScaler().fit_transform(table.data),
                     np.ones((len(x), 1))])
guess = (columns @ ridge(columns, table.target, 1.0)).mean()
print(f"mean target {table.target.mean():.0f}, mean prediction {guess:.0f}")
for unit in (1, 10, 100):
    other = x.copy()
    other[:, 2] /= unit   # body mass index
    moved = ridge(other, centered, 0.1)[2] / unit
    print(f"bmi in units {unit:3} times as large: its share {moved:5.1f}")

# %% [markdown]
# The intercept is halved, so every prediction is far too low. And a penalty knows
# nothing of units: in larger ones a feature needs a larger weight, and pays for it.
# Mended by leaving biases out, and by standardizing before you penalize.
#
# **“λ = 0.01 worked in scikit-learn.”** `Ridge(alpha=…)` adds α to the *sum* of the
# squared errors, Keras adds λ to the *mean*: α = nλ. `Lasso` halves the mean.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
print(f"{verdicts[0].claim.key}: {verdicts[0].verdict}")

# %% [markdown]
# You may say: under plain SGD weight decay $2\lambda$ is L2 with λ, and under momentum
# and Adam it is not; tuned, each may do as well as the other; on digits a brake pays
# where labels are wrong, and on noisy tones where they are right; in a short training a
# small learning rate does much the same; the score of a chosen epoch is too good. You
# may not say that a penalty always helps, that early stopping costs nothing, or that
# one number serves two brakes.
#
# **Where to go next.** Lecture 09 is about dropout, a brake made of noise; lecture 11
# about augmentation, which adds what the data lack. Lecture 12 searches for strengths
# without fooling itself. Exercise {{exercise}} belongs to this lecture.
#
# **References.**
#
# - A. Krogh, J. A. Hertz: *A simple weight decay can improve generalization*, NIPS
#   1991.
# - R. Tibshirani: *Regression shrinkage and selection via the lasso*, JRSS B, 1996.
# - L. Prechelt: *Early stopping — but when?*, in Neural Networks: Tricks of the
#   Trade, 1998.
# - N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov: *Dropout: a
#   simple way to prevent neural networks from overfitting*, JMLR 15, 2014 (max-norm for
#   each unit).
# - C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna: *Rethinking the
#   Inception architecture for computer vision*, CVPR 2016 (label smoothing).
# - C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals: *Understanding deep
#   learning requires rethinking generalization*, ICLR 2017.
# - T. van Laarhoven: *L2 regularization versus batch and weight normalization*,
#   arXiv 1706.05350, 2017.
# - I. Loshchilov, F. Hutter: *Decoupled weight decay regularization*, ICLR 2019.
# - M. Belkin, D. Hsu, S. Ma, S. Mandal: *Reconciling modern machine-learning
#   practice and the classical bias–variance trade-off*, PNAS 2019.
# - P. Nakkiran, P. Venkat, S. Kakade, T. Ma: *Optimal regularization can mitigate
#   double descent*, ICLR 2021.
# - A. Zhang, Z. C. Lipton, M. Li, A. J. Smola: *Dive into Deep Learning*, 2023.
