# ---
# jupyter:
#   course:
#     minutes: 45
#     exercise: "02"
#     lab: scaling
# ---

# %% [markdown]
# # Normalizing inputs: why scale, and what exactly?
#
# After this lecture you can
#
# - **explain** by the shape of the loss why unequal features make training slow, and
#   **compute** how slow;
# - **tell** what standardization, min–max scaling, per-image scaling and whitening
#   do, and to what data each belongs;
# - **build** the scaling into a Keras model, with statistics of the training data
#   only, so that it serves raw samples correctly.
#
# You need about {{minutes}} minutes. Lecture 03 explains the verdicts. Nothing is
# downloaded.

# %% [markdown]
# ## The claims
#
# 1. “Standardization is not suited to deep learning.”
# 2. “Normalizing the inputs slows training down.”
# 3. “Min–max scaling and standardization are the same.”
#
# All three are told with confidence, and each has a grain of truth in it. You
# will find the grain, and what is around it.
#
# ## Predict first
#
# Commit yourself before you run anything.

# %%
from course_utils import quiz

quiz.ask("04", "ravine")

# %% [markdown] tags=["instructor"]
# **Ask.** “A larger rate makes up for it” is the tempting answer. Do not
# argue: the left picture below shows a path that is already crossing from wall
# to wall. “The weights adapt to the units” is half right: the solution does,
# the way there does not.

# %% [markdown]
# ## The idea
#
# A table as tables are: 442 patients, ten features, each in a unit of its own.
# The target is how far their diabetes has gone a year later.

# %%
from sklearn.datasets import load_diabetes

table = load_diabetes(scaled=False)
for name, mean, sd in zip(table.feature_names, table.data.mean(0),
                          table.data.std(0), strict=True):
    print(f"{name:4} mean {mean:6.1f}   standard deviation {sd:5.1f}")

# %% [markdown]
# A linear model predicts $\hat y = Xw$, with $X$ of shape $(n, D)$. Its loss, half
# the mean squared error, is a bowl around the best weights $w^*$:
#
# $$L(w) - L(w^*) = \tfrac12 (w - w^*)^\top H\, (w - w^*), \qquad
# H = \tfrac1n X^\top X \quad (D \times D).$$
#
# The eigenvalues of $H$ are the curvatures. A step of gradient descent with rate
# $\eta$ multiplies the distance from $w^*$ along each eigenvector by
# $1 - \eta\lambda$. The largest one, $\lambda_{\max}$, sets the limit:
# beyond $\eta = 2/\lambda_{\max}$ the steps overshoot further and further. The
# smallest one then needs a number of steps that grows like the **condition
# number** $\kappa = \lambda_{\max} / \lambda_{\min}$.
#
# We take two features, the body mass index `bmi` and the cholesterol `s1`, subtract
# their means, and walk until one percent of the excess loss is left. Both walks take
# the rate at which the steepest and the flattest direction shrink alike. Look at the
# shape of the contours first, then count the dots.

# %%
import numpy as np

from course_utils.experiments import descent


def walk(x, y):
    """Weights of gradient descent, from 0 to 1 % of the excess loss."""
    excess, rate = descent.excess_loss(x, y), descent.balanced_rate(x)
    path = [np.zeros(x.shape[1])]
    while excess(path[-1]) > 0.01 * excess(path[0]):
        gradient = x.T @ (x @ path[-1] - y) / len(x)
        path.append(path[-1] - rate * gradient)
    return np.array(path)


# %%
from course_utils import plots

progress = table.target - table.target.mean()
raw = table.data[:, [2, 4]] - table.data[:, [2, 4]].mean(0)
figure, axes = plots.panels(2)
for ax, (name, x) in zip(axes, {"In their own units": raw,
                                "Standardized": raw / raw.std(0)}.items(),
                         strict=True):
    path = walk(x, progress)
    plots.contours(descent.excess_loss(x, progress), path,
                   descent.best_weights(x, progress), ax=ax,
                   title=f"{name}: {len(path) - 1} steps")
    ax.set(xlabel="weight of bmi", ylabel="weight of s1")

# %% [markdown] tags=["instructor"]
# **The figure not to skip.** Trace the left path with your finger: across the
# ravine, and creeping along its floor. Ask which feature makes the steep
# walls: the one with the large spread. **Question:** “Do both lead to the same
# model?” Yes; only the numbers on the axes differ, because the units do. Read
# the numbers of steps off the titles at the end, not at the beginning.

# %% [markdown]
# Left a ravine: the path crosses it from wall to wall and creeps along its floor.
# Right the same data in units of their standard deviations: a bowl. Both walks
# stop with one percent of the excess loss left, on their way to the same model.
#
# Now all ten features, and the intercept that a `Dense` layer has too: one more
# column of ones. That is why means matter. A feature whose mean is far from 0 is
# nearly a multiple of that column.

# %% [markdown] tags=["instructor"]
# **Before you show the table,** let the class guess the order of magnitude of
# the first line. Then go down: what did subtracting the mean bring, what
# common units, and what is left? It is the correlation. **Question:** “So why
# not whiten always?” Because it has to estimate a whole covariance matrix, and
# that takes many samples.

# %%
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

scalers = {"centered": StandardScaler(with_std=False),
           "min–max": MinMaxScaler(), "standardized": StandardScaler(),
           "whitened": PCA(whiten=True)}
ones = np.ones((len(table.data), 1))
print("               condition number        steps to 1 %")
for name in ("as it comes", *scalers):
    x = table.data if name == "as it comes" else (
        scalers[name].fit_transform(table.data))
    x = np.hstack([x, ones])
    steps = descent.steps_needed(x, progress)
    print(f"{name:14} {descent.condition_number(x):16,.0f} {steps:19,}")

# %% [markdown]
# (Nobody walked the first line. The loss after any number of steps has a formula;
# `descent.steps_needed` solves it.) Centering is worth most here, common
# units come next, and what is left after standardizing is *correlation*. Only
# whitening removes that, and makes the bowl round.
#
# ### What each does, and to what data
#
# | scaler | computes | belongs to | fooled by |
# |---|---|---|---|
# | **standardize** | $(x - \mu_d) / \sigma_d$ | tables, sensors, most inputs | features that hardly vary |
# | **min–max** | $(x - \min_d) / (\max_d - \min_d)$ | bounded values: pixels, shares | one extreme value |
# | **per image** | $(x - \mu_n) / \sigma_n$ | images of any brightness | brightness that *means* something |
# | **whiten** | $(x - \mu)\, V \Lambda^{-1/2}$ | many samples, few features | few samples |
#
# The index $d$ stands for one feature over all training samples, $n$ for one image
# over its own pixels; $V$ and $\Lambda$ are the eigenvectors and eigenvalues of the
# covariance.
#
# In the figure the second row is the same digit with half the contrast and a gray
# veil. Each column has the gray scale of its upper picture. Which one does not care?

# %%
from course_utils import datasets

digits = datasets.digits(seed=0)
digit = digits.x_train[digits.y_train == 3][0]
methods = {name: scalers[name].fit(digits.x_train).transform
           for name in ("min–max", "standardized")}
methods["per image"] = lambda x: ((x - x.mean(1, keepdims=True))
                                  / x.std(1, keepdims=True))
pictures = [{"as it comes": image.reshape(8, 8)} | {
    name: method(image[None]).reshape(8, 8)
    for name, method in methods.items()}
    for image in (digit, 0.5 * digit + 0.25)]
_ = plots.images(pictures, title="Only per-image scaling undoes the veil")

# %% [markdown] tags=["instructor"]
# **Ask** which column does not care about the veil; then ask what it has lost.
# Brightness that *means* something, a shadow on an X-ray, is gone as well. One
# minute.

# %% [markdown]
# The scalings by column were made for images like the upper one, and send the lower
# one somewhere else: pixels at the edge, which hardly ever vary, shine brightest.
# Per-image scaling knows nothing of other images. It needs no training data, and it
# undoes any change of contrast and brightness that is the same for all pixels of an
# image.
#
# ## The lab
#
# You have two features. Stretch one of them, turn the cloud of points, and scale it with
# one of the methods. Every descent starts at the same loss. Below the lab are three
# things to try.

# %%
from course_utils import labs

labs.scaling(stretch=10.0, learning_rate=0.01)

# %% [markdown] tags=["instructor"]
# **Try this, answered.** The highest learning rate that converges falls with the
# square of the stretch, and the number of steps grows with it. Standardizing removes
# the effect of the stretch. After a turn of 45°, however, it no longer helps, because
# both features have the same spread and the ravine is diagonal. With whitening,
# neither matters. Take three minutes, and **point at** the condition number in the
# sentence above the figure.

# %% [markdown]
# ## In Keras: the scaling belongs into the model
#
# A `Normalization` layer standardizes. `adapt` computes its means and variances, from
# the *training* data, once; training never changes them. Because the layer is part
# of the model, the model takes raw inputs.
#
# The digits again, in unequal units: each pixel was multiplied by its own factor,
# up to a hundredfold apart. The same network, with and without the layer:

# %%
import keras

from course_utils import models
from course_utils.claims.normalizing_inputs import unequal

data = unequal(datasets.digits)(0)
normalization = keras.layers.Normalization()
normalization.adapt(data.x_train)
for name, first in {"left alone": [], "adapted": [normalization]}.items():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), *first, models.mlp()])
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    fitted = model.fit(data.x_train, data.y_train, epochs=5, verbose=0,
                       validation_data=(data.x_val, data.y_val))
    print(f"{name:10}  {fitted.history['val_accuracy'][-1]:.1%}")

# %% [markdown]
# Saved and loaded, as on the server that will use it. It gets one raw image, and
# nobody has to remember which numbers to divide by.

# %% tags=["nbval-check-output"]
import pathlib
import tempfile

one = data.x_val[:1]
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
same = np.allclose(loaded.predict(one, verbose=0),
                   model.predict(one, verbose=0), atol=1e-6)
print("the loaded model gives the same answer to a raw image:", same)
kept = np.allclose(loaded.layers[0].mean, data.x_train.mean(0), rtol=1e-3)
print("it has kept the means of the training data:           ", kept)

# %% [markdown]
# ## Trials 1 and 2: unsuited, and slow?
#
# One experiment for both claims. Two kinds of features: as they come, all in one
# unit, where there is least to gain, and in unequal units, stretched anew for every
# seed. Each is left alone and standardized, and every arm gets the learning rate that
# is best for it, chosen on other seeds. To be fair to the claims they are *judged* on
# features as they come, where standardizing has least to gain. Speed is counted in
# steps; the seconds that the scaling itself takes are not measured.

# %%
from course_utils import claims

unsuited, slows = claims.get("ni-unsuited"), claims.get("ni-slows")
runs = unsuited.trial(datasets.digits, range(unsuited.seeds))

# %% [markdown]
# Look at the left panel first: pixels between 0 and 1. Do the curves differ
# in their height, or in their beginning? Then look at the right one.

# %%
from course_utils.claims.normalizing_inputs import at_best_rate, settled

best = at_best_rate(runs.val_accuracy, settled(runs))
figure, axes = plots.panels(2)
titles = {"as they come": "One unit: a head start",
          "in unequal units": "Unequal units: ahead to the end"}
for ax, (features, title) in zip(axes, titles.items(), strict=True):
    plots.lines(best.sel(features=features), "step", by="scaling", ax=ax,
                  labels={name: name for name in best.scaling.values},
                  title=title)
    ax.set_ylim(0, 1)

# %% [markdown] tags=["instructor"]
# **Left panel first:** do the curves differ in height or at the beginning?
# There is the grain of truth in both claims: one who trained once on features
# of one unit, and looked at the end, may have seen nothing or even a loss. Then
# the right panel, where the network left alone is still behind at the end, at
# the best of its four rates.

# %% [markdown]
# In unequal units the network left alone is still behind after these eight epochs,
# even at the best of its four rates. In one unit the two end close together, and the
# standardized one gets there first.

# %%
verdicts = [unsuited.judge(runs), slows.judge(runs)]
print(*verdicts, sep="\n\n")

# %% [markdown]
# Where the grain of truth is: on features that share a unit, standardizing gained
# less than a point here by the end. Whoever tried it there only, once, may have seen
# it lose, as some of these seeds do. And in unequal units? How many steps does it
# save there? (A run that never reached 80 % counts with its last step, so the true
# factor is even smaller.)

# %%
from course_utils import stats
from course_utils.claims.normalizing_inputs import times_as_many_steps

factor = times_as_many_steps(runs)
effects = {name: np.exp(stats.interval(np.log(factor.sel(features=name))))
           for name in titles}
_ = plots.intervals(effects, neutral=1, threshold=slows.threshold,
                    xlabel="times as many steps to 80 %, standardized",
                    title="Standardizing saves steps, most in unequal units")

# %% [markdown]
# In unequal units it saves most. But both intervals lie left of “no effect”: on digits
# standardizing speeds training up even where all features share a unit.
#
# ## Trial 3: min–max, or standardization?

# %%
quiz.ask("04", "same")

# %%
same = claims.get("ni-same")
runs = same.trial(datasets.digits, range(same.seeds))
verdicts.append(same.judge(runs))
verdicts[-1]

# %% [markdown]
# And without misread values? On digits, then on the second task of this course,
# tones in noise, where we also try min–max scaling to a range around 0. Look for the
# row that does not belong.

# %%
from course_utils.claims.normalizing_inputs import gained_by_min_max, on_unequal_units

clean = gained_by_min_max(runs).sel(features="clean")
scores = on_unequal_units(datasets.tones, {
    "min–max to 0 … 1": MinMaxScaler(), "standardized": StandardScaler(),
    "min–max to −1 … 1": MinMaxScaler((-1, 1))}, range(10))
tones = {name: stats.interval(scores.sel(scaling=name, drop=True)
                              - scores.sel(scaling="standardized"))
         for name in ("min–max to 0 … 1", "min–max to −1 … 1")}
_ = plots.intervals(
    {"digits, min–max to 0 … 1": stats.interval(clean)} |
    {f"tones, {name}": found for name, found in tones.items()}, neutral=0,
    xlabel="accuracy gained over standardization",
    title="Min–max can lose most of the accuracy, or none")

# %% [markdown] tags=["instructor"]
# **Ask** for the row that does not belong, and then for the reason. “The
# extremes” is the wrong one: there are no misread values here. Compare the two
# rows of the same tones: the zero is elsewhere, and the range is twice as wide,
# for which the tuned learning rate makes up. What all inputs have in common
# drowns what tells them apart.

# %% [markdown]
# On clean digits the two cannot be told apart. On tones the network with min–max to 0
# … 1 stays far behind, and with −1 … 1 it does better than with standardization. So
# it was not the extremes, it was the *mean*: all 64 inputs sat around one half, and
# what they had in common drowned what tells them apart. Moving the zero to the middle
# of the range was enough. (The range is twice as wide, too; but each row has the
# learning rate that is best for it, and that makes up for a factor.) The two scalings
# differ twice, then: in what an extreme value does to them, and in where they put the
# zero.
#
# ## Do hidden layers stay scaled?
#
# Scaled inputs are the inputs of the *first* layer. The second one gets what the
# first makes of them, and that changes with every step. In the figure, follow the
# variance of what each `Dense` layer puts out (before the activation) through
# training. The thin line is the variance of the standardized inputs.

# %%
from course_utils import fit_many
from course_utils.claims.normalizing_inputs import scaled

task = scaled(datasets.digits, StandardScaler())
inside = fit_many(models.mlp, task, {"learning_rate": 0.1, "depth": 4,
                                     "seed": range(10)},
                  epochs=10, diagnostics=True)
hidden = ["dense", "dense_1", "dense_2", "dense_3"]
ax = plots.lines(inside.activation_variance.sel(layer=hidden), "epoch",
                   by="layer", title="Deeper layers: the variance grows in training",
                   labels={name: f"hidden layer {depth}" for depth, name
                           in enumerate(hidden, 1)})
ax.axhline(task(0).x_train.var(), color="0.4", linewidth=1, marker="")
_ = ax.set(ylabel="variance", ylim=(0, None))

# %% [markdown]
# In the two deeper layers the variance grows in training, while the inputs stay where
# you put them. The authors of batch normalization suspected that such changes slow
# training down, and called them *internal covariate shift* (Ioffe & Szegedy 2015).
# This figure shows that the outputs change; it does not show that the change does any
# harm. Appendix A2 tests that. Could one put a normalization *inside*, before every
# layer? `adapt` will not do, because there is no fixed set of samples to adapt to.
# What will do is the subject of the next lecture.
#
# ## What goes wrong
#
# **“I standardize the test set with its own statistics.”** It looks harmless, as
# long as the set is large and mixed. Here is our Keras network, and images that
# arrive in three ways:

# %%
network = model.layers[-1]   # without its Normalization


def served(batches):
    """Accuracy if each batch is scaled by its own mean and spread."""
    right = 0
    for batch in batches:
        x = StandardScaler().fit_transform(data.x_val[batch])
        answers = network.predict(x, verbose=0).argmax(1)
        right += (answers == data.y_val[batch]).sum()
    return right / len(data.y_val)


classes = [data.y_val == digit for digit in range(10)]
print(f"all images together     {served([slice(None)]):.0%}")
print(f"one class at a time     {served(classes):.0%}")
alone = StandardScaler().fit_transform(data.x_val[:1])
print(f"a single image becomes {np.unique(alone)}")

# %% [markdown] tags=["instructor"]
# **Point at** the last line: a single image, scaled by itself, is zero,
# whatever it showed. Ask what a server gets: one image. **Short of time:**
# leave out the pixel that never varies. End with the picture of the hidden
# layers' variances, which leads to lecture 05. **Homework:** none of its own; the
# exercise on batch norm begins after lecture 05.

# %% [markdown]
# A batch of one class loses its mean, and with it most of what tells it from the
# others. A single image loses everything: minus itself, it is 0, whatever it showed.
# Mended by the layer inside the model, as above.
#
# **“This pixel never varies, so it does no harm.”** In the training images some
# pixels are always 0. What happens if one of them is not, later?

# %%
adapted = keras.layers.Normalization()
adapted.adapt(digits.x_train)
floor = np.maximum(digits.x_train.var(0), 0.01)
mended = keras.layers.Normalization(mean=digits.x_train.mean(0),
                                    variance=floor)
for name, layer in {"adapted": adapted, "with a floor": mended}.items():
    largest = np.abs(layer(digits.x_val)).max()
    print(f"{name:12} largest validation input: {largest:,.1f}")

# %% [markdown]
# `Normalization` divides by the spread it has seen, and by nearly nothing if it has
# seen none. (scikit-learn's `StandardScaler` does not divide such a feature.) One faint
# pixel can then decide the answer. Mended by a floor under the variance, or by
# leaving out features that hardly vary.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: features in unequal units make gradient descent slow, in a linear model
# by a factor that the condition number tells; standardizing cost our network no
# accuracy here, and saved most of its steps where units differ. You may not say that
# it always pays: on tones as they come, which are in one unit and around 0 already,
# it makes no difference that could be told from none. Nor that one scaling is as good
# as another. Center; know your extremes; take the statistics from the training data;
# and put them into the model.
#
# **Where to go next.** Lecture 05 takes the step inside, to the hidden layers, and
# builds batch normalization from scratch. Exercise {{exercise}} begins after that one.
#
# **References.**
#
# - Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller: *Efficient BackProp*, in Neural
#   Networks: Tricks of the Trade, 1998.
# - S. Wiesler, H. Ney: *A convergence analysis of log-linear training*, NIPS 2011.
# - S. Ioffe, C. Szegedy: *Batch normalization: accelerating deep network training
#   by reducing internal covariate shift*, ICML 2015.
