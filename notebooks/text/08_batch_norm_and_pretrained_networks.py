# ---
# jupyter:
#   course:
#     minutes: 50
#     exercise: "02"
#     lab: domain_shift
# ---

# %% [markdown]
# # Batch norm and pretrained networks: insert, freeze, re-estimate, fold?
#
# After this lecture you can
#
# - **insert** batch normalization into a trained network without changing its
#   answers, and **say** why the careless way breaks it;
# - **freeze** the layer in Keras 3 so that it stays frozen, and **decide**
#   when you should;
# - **re-estimate** its statistics for a new domain, without a single label;
# - **fold** it into the layer before it, and **tell** what that saves.
#
# You need about {{minutes}} minutes. It builds on lecture 06: the layer's two modes and
# its running averages. Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# 1. “You cannot add batch norm to a pretrained network.”
# 2. “When you train a network further, freeze its batch norm.”
# 3. “Batch norm costs nothing.”
#
# ## Predict first

# %%
from course_utils import quiz

quiz.ask("08", "insert")

# %% [markdown] tags=["instructor"]
# **Ask.** “It drops to chance” is the answer of those who have understood
# training mode; validation runs in the other one. Ask what a fresh layer holds
# before its first batch. The next cells show both halves: nothing at first,
# damage after training.

# %% [markdown]
# ## The idea
#
# We need a network that is trained already, and has no normalization. A small
# relative of VGG will do: three convolutions, each with a pooling, and a
# softmax.

# %%
import keras

from course_utils import datasets, models

digits = datasets.digits(seed=0)
keras.utils.set_random_seed(0)
trained = models.cnn(input_shape=(64,), filters=(8, 16, 32))


def train(model, rate, epochs=1):
    keras.utils.set_random_seed(0)   # the same batches every time
    model.compile(keras.optimizers.SGD(rate),
                  "sparse_categorical_crossentropy")
    model.fit(digits.x_train, digits.y_train, epochs=epochs, verbose=0)


train(trained, 0.1, epochs=10)

# %%
def accuracy(model, x=digits.x_val):
    return (model(x).numpy().argmax(1) == digits.y_val).mean()


print(f"validation accuracy: {accuracy(trained):.3f}")

# %% [markdown]
# ### Insert
#
# A *fresh* layer, as Keras makes it, has running mean 0, running variance 1,
# $\gamma = 1$ and $\beta = 0$. `surgery.insert` makes a copy of the model
# with one behind each convolution. We look at once, and again after one epoch
# at a learning rate so small that it should not hurt anybody.

# %%
from course_utils import surgery

fresh = surgery.insert(trained, momentum=0.9)
print(f"inserted:        {accuracy(fresh):.3f}")
train(fresh, 0.001)
print(f"one epoch later: {accuracy(fresh):.3f}")

# %% [markdown] tags=["instructor"]
# **Point at** the two lines: the accuracy after inserting is that of the
# network, and one epoch at a tiny rate spoils it. Ask what has moved, since
# the rate was so small. The running averages; they do not ask for the learning
# rate.

# %% [markdown]
# Nothing happens at first. At inference a fresh layer divides by
# $\sqrt{1 + \varepsilon}$, which is next to one. The damage comes with
# training: batches are normalized now, the running averages follow them, and
# the later layers meet features they have never seen.
#
# So give the layer numbers that fit. Let $\mu_d$ and $\sigma_d^2$ be mean and
# variance of feature $d$ over some training images, at the place where the
# layer will stand. Make them its running averages, and let $\gamma$ and
# $\beta$ undo what they do:
#
# $$y_{nd} = \gamma_d \frac{x_{nd} - \mu_d}{\sqrt{\sigma_d^2 + \varepsilon}}
# + \beta_d = x_{nd} \quad\text{with}\quad
# \gamma_d = \sqrt{\sigma_d^2 + \varepsilon}, \; \beta_d = \mu_d .$$
#
# `insert` does that if it is given the images.

# %% tags=["nbval-check-output"]
import numpy as np

calibrated = surgery.insert(trained, digits.x_train, momentum=0.9)
difference = np.abs(calibrated(digits.x_val) - trained(digits.x_val)).max()
print("the same answers to 1e-5:", bool(difference < 1e-5))
print([layer.name for layer in calibrated.layers if "norm" in layer.name])

# %%
train(calibrated, 0.001)
print(f"one epoch later: {accuracy(calibrated):.3f}")

# %% [markdown]
# ### Freeze
#
# For most layers `trainable = False` means that gradients leave the weights
# alone. For this layer it means more: it runs in **inference mode, even under
# `training=True`**, and its averages stay where they are.

# %% tags=["nbval-check-output"]
def norms(model):
    return [layer for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization)]


images = digits.x_train[:32]
for trainable in (False, True):   # the last one stays
    for layer in norms(calibrated):
        layer.trainable = trainable
    before = norms(calibrated)[0].moving_mean.numpy()
    same = np.allclose(calibrated(images, training=True),
                       calibrated(images, training=False), atol=1e-4)
    moved = not np.array_equal(before, norms(calibrated)[0].moving_mean)
    print(f"trainable={trainable}: the modes agree: {same}, "
          f"the averages moved: {moved}")

# %% [markdown] tags=["instructor"]
# **This cell is worth three minutes,** for everything about freezing rests on
# it: for this layer `trainable=False` also means inference mode. “It only
# stops the gradients” is true of all other layers.

# %% [markdown]
# ### Re-estimate
#
# Running averages describe the images of the training. Another camera, another
# scanner, another hospital is another *domain*, and there they may be wrong
# while all other weights are still good. Then estimate them anew, from images
# of the new domain. No label is needed. In Keras: let the layer forget
# (`momentum = 0`), and call the model once in training mode, with all images
# as one batch (Li et al. 2016 call it AdaBN).

# %%
quiz.ask("08", "camera")

# %% [markdown] tags=["instructor"]
# **Ask.** “Nothing without labels” is the careful answer. Which of the layer's
# four numbers were never learned by gradients? Two of them, and they are the
# ones that describe contrast and brightness.

# %%
def re_estimate(model, x):
    """Make the statistics of these images the running averages."""
    before = [(layer.trainable, layer.momentum) for layer in norms(model)]
    for layer in norms(model):
        layer.trainable, layer.momentum = True, 0.0
    model(x, training=True)
    for layer, settings in zip(norms(model), before, strict=True):
        layer.trainable, layer.momentum = settings


def camera(x):
    return 0.5 + 0.3 * (x - 0.5)   # a third of the contrast, about


gray = camera(digits.x_val)
print(f"the new camera:        {accuracy(calibrated, gray):.3f}")
re_estimate(calibrated, camera(digits.x_train[:100]))
print(f"with its statistics:   {accuracy(calibrated, gray):.3f}")
re_estimate(calibrated, digits.x_train)

# %% [markdown]
# The last line gives the model its old domain back. (Dropout is on in training
# mode too. Switch it off for this if your model has some.)
#
# ### Fold
#
# At inference the layer multiplies by a number and adds another. So does the
# convolution (or `Dense` layer) in front of it. Two such steps are one. With
# $s = \gamma / \sqrt{\sigma^2 + \varepsilon}$, one number for each feature:
#
# $$s\,(W x + b - \mu) + \beta = (sW)\, x + s\,(b - \mu) + \beta .$$

# %% tags=["nbval-check-output"]
served = surgery.fold(calibrated)
difference = np.abs(served(digits.x_val) - calibrated(digits.x_val)).max()
print("the same answers to 1e-5:", bool(difference < 1e-5))
for name, model in {"with its norms": calibrated, "folded": served}.items():
    print(f"{name:15} {len(model.layers)} layers, "
          f"{model.count_params()} numbers")

# %% [markdown]
# What is gone in training mode is the normalization: fold a network when it is
# to serve, and keep the one you may want to train on. How much faster is it?
# This cell asks your machine, in turn, so that a busy one slows both. (It
# prints where you run it; its output is not stored.)

# %% tags=["live-only"]
import time


def seconds(model):
    start = time.perf_counter()
    for _ in range(20):
        model.predict_on_batch(digits.x_val)
    return time.perf_counter() - start


seconds(calibrated), seconds(served)   # compiles
pairs = np.array([[seconds(calibrated), seconds(served)] for _ in range(7)])
slow, fast = pairs.min(0)
print(f"folded: {slow / fast:.2f}× as fast")

# %% [markdown]
# ### A real network
#
# `keras.applications` has the trained networks everybody begins with.
# `models.pretrained` loads one, and says in a sentence what to do when its
# weights cannot be downloaded. Here we stay offline: `weights=None` gives the
# network with its initial weights. Write `weights="imagenet"` when you are
# connected. MobileNetV2 normalizes behind every convolution, depthwise ones
# too:

# %%
settings = {"alpha": 0.35, "input_shape": (96, 96, 3), "include_top": False}
real = models.pretrained(keras.applications.MobileNetV2, weights=None,
                         **settings)
lean = surgery.fold(real)
for name, model in {"as it comes": real, "folded": lean}.items():
    print(f"{name:12} {len(norms(model)):2} norms, "
          f"{len(model.layers)} layers, {model.count_params():,} numbers")

# %% [markdown]
# Not one is left. What that was worth, measured once on all cores of a
# machine:

# %%
from course_utils.tools import measured

print(measured.ratio("fold"))

# %% [markdown]
# Weights also come from a file: a colleague's, your own, one that was
# downloaded elsewhere. The answers are the same.

# %% tags=["nbval-check-output"]
import pathlib
import tempfile

x = np.random.default_rng(0).uniform(-1, 1, (4, 96, 96, 3)).astype("float32")
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "mobilenet.weights.h5"
    real.save_weights(path)
    again = models.pretrained(keras.applications.MobileNetV2,
                              weights=path, **settings)
print("the same answers:", np.allclose(again(x), real(x), atol=1e-5))

# %% [markdown]
# ## The lab
#
# Ten networks were trained on half of the digits. The other half comes from another
# camera; on the left you see its images. On the right are four things you can do: leave
# the network as it is, re-estimate its statistics, fine-tune it, or fine-tune it with
# batch norm frozen. Below the lab are three things to try. After the third one, lower
# the contrast. Does freezing still help?

# %%
from course_utils import labs

labs.domain_shift()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** Contrast: re-estimating needs no labels and recovers nearly
# all of the accuracy; with eight images, it recovers most of it. Noise: only
# fine-tuning helps, and not much. Batches of 2 in an unchanged domain: both kinds of
# fine-tuning do damage, less so with batch norm frozen, so leave the network alone.
# At low contrast, it is the other way around: of the three things you can do,
# fine-tuning with batch norm frozen is the worst. So ask what has changed before you
# apply a rule.

# %% [markdown]
# The lab from the welcome page is an example of another domain: the drawings on the
# right are by an artist that the networks have never seen. Which classes suffer most?

# %%
from course_utils import labs

labs.emoji()

# %% [markdown]
# How many images do you need to re-estimate the statistics? The next figure shows three
# domains: the old one, one with a third of the contrast, and one with noise. The thin
# lines are the unchanged networks. Look at the left end of each curve, and then at the
# right end.

# %%
import xarray as xr

from course_utils.claims import pretrained_networks as trials
from course_utils.experiments import trained_networks
from course_utils.labs.domain_shift_lab import SEEDS, domain, re_estimated
from course_utils.training.fine_tune import fine_tune

net, weights = trained_networks.trained_on_half(datasets.digits, SEEDS)
domains = {"old domain": (1.0, 0.0), "contrast 0.3": (0.3, 0.0),
           "noise 0.2": (1.0, 0.2)}


def scores(data, numbers):
    runs, _ = fine_tune(net, numbers, data, learning_rate=0.0, steps=0)
    return runs.val_accuracy.isel(step=0, drop=True)


# %%
from course_utils import plots

sizes, ax = [4, 16, 64, 256], plots.axes()
for place, (name, shift) in enumerate(domains.items()):
    data = domain(*shift)
    curve = xr.concat([scores(data, re_estimated(net, weights, data.x_train,
                                                 size)) for size in sizes],
                      xr.Variable("train_size", sizes))
    plots.lines(curve, "train_size", ax=ax)
    ax.lines[-1].set_label(name)
    ax.axhline(scores(data, weights).mean(), color=f"C{place}",
               linewidth=1, marker="")
ax.set(xlabel="images of the domain", ylabel="validation accuracy")
ax.set_title("Re-estimating fixes contrast, not noise")
_ = ax.legend(loc="lower right", bbox_to_anchor=(1, 0.2))

# %% [markdown] tags=["instructor"]
# **The figure not to skip.** Each curve has a thin line of its color: the unchanged
# network. Point at the contrast first: re-estimating takes it from the lowest line up
# to the top. With noise, the curve only gets back to where it was. At the left end of
# the old domain, four images give a *worse* estimate than the one it had. Ask which
# of the three domains a hospital with a new scanner would be.

# %% [markdown]
# A change of contrast multiplies and shifts, and so does the layer: a few dozen images
# recover nearly all of the accuracy. A mean and a variance cannot undo noise. And if
# nothing has changed, four images give a *worse* estimate than the statistics that the
# network already has.
#
# ## Trial 1: “You cannot add batch norm to a pretrained network”
#
# Trained networks, one more epoch, three ways: nothing inserted, fresh layers,
# calibrated ones; each at the learning rate that was best for it on other
# seeds. The claim needs a loss of one point by the calibrated layers. All
# seeds share one split, so the intervals of this lecture do not cover the luck
# of other images. All curves begin at the same height. Which one lags?

# %%
from course_utils import claims

insert = claims.get("bnp-cannot-insert")
inserted = insert.trial(datasets.digits, range(insert.seeds))
verdicts = [insert.judge(inserted)]
names = {"none": "nothing inserted", "fresh": "fresh batch norm",
         "calibrated": "calibrated batch norm"}
_ = plots.lines(inserted.val_accuracy, "step", by="arm", labels=names,
                  title="A fresh layer lags behind, a calibrated one hardly")
verdicts[-1]

# %% [markdown]
# And the fresh layers, by the same measure:

# %%
from course_utils import stats

final = inserted.val_accuracy.isel(step=-1).drop_vars("learning_rate")
late = stats.paired_difference(final, "arm", between=("fresh", "none"))
print(f"lost by fresh layers: {late['mean']:.4f} "
      f"[{late['low']:.4f}, {late['high']:.4f}]")

# %% [markdown]
# With fresh layers the networks are behind after an epoch; they have to get
# used to new features. Whether they are behind by the point that the claim
# asks for stays open. Calibrated, the layer loses less than a point: as a law
# the advice is wrong. No gain is seen here either.
#
# ## Trial 2: “When you train a network further, freeze its batch norm”
#
# Networks with batch norm, trained on half of the digits, are fine-tuned for
# an epoch on the other half, in batches of 4, as one does when memory is
# short. Once from the same domain, once with half the contrast and some noise:
# chiefly a change of contrast, the kind of change that new statistics can
# undo. The claim is judged in the *new* domain: that is what one fine-tunes
# for.

# %% [markdown] tags=["instructor"]
# **Ask** for a rule before the figure: freeze, or not? Both answers are right,
# each in one row. Then read the second task in the ledger, where the verdict
# is the opposite, and end with the three questions of the summary: how many
# images in a batch, how far the new domain, are the averages warm?

# %%
freezing = claims.get("bnp-freeze")
frozen = freezing.trial(datasets.digits, range(freezing.seeds))
verdicts.append(freezing.judge(frozen))
gained = stats.interval(trials.gained_by_freezing(frozen))
_ = plots.intervals(
    {f"{name} domain": gained.sel(domain=name) for name in ("old", "new")},
    neutral=0, threshold=freezing.threshold,
    xlabel="accuracy gained by freezing, each at its own best rate",
    title="Digits: freezing pays in the old domain only")
verdicts[-1]

# %% [markdown]
# Four images are a poor batch (lecture 06), and where nothing has changed, old
# averages over hundreds of images serve better. In the new domain freezing
# keeps averages that no longer fit, and on digits that costs accuracy. But
# this domain differs chiefly in contrast, which new averages can undo; after
# another kind of change the result may be another one. And on the second task
# in the ledger at the end, with the same change, the verdict is the opposite:
# there freezing gains. So the measurement supports neither “always freeze” nor
# “never freeze”.
#
# ## Trial 3: “Batch norm costs nothing”
#
# Does a training step with batch norm run at the speed of one without? At
# least at 95 % of it, the claim says. This is a matter for the clock, so the
# verdict is your machine's own and is not stored; both networks are timed in
# turn, pair by pair.

# %% tags=["live-only"]
free = claims.get("bnp-costs-nothing")
print(free.judge(free.trial(datasets.digits, range(free.seeds))))

# %% [markdown]
# When all claims were last tried again, and when the benchmarks were last run:

# %%
last = claims.results()["bnp-costs-nothing"]["digits"]
print(f"{last['verdict']}: {last['measured']} "
      f"{claims.get('bnp-costs-nothing').effect_is}")
print(measured.ratio("bn_step_fit_many"))

# %% [markdown]
# In training it costs. At inference, once it is folded, the claim is true to
# the letter: what is not there takes no time.
#
# ## What goes wrong
#
# **“I froze it, and it moved all the same.”** `fit` compiles its step when it
# is first called, and keeps it. What you freeze later is not in it.

# %% tags=["nbval-check-output"]
def averages_move(model):
    before = norms(model)[0].moving_mean.numpy()
    model.fit(digits.x_train[:256], digits.y_train[:256], verbose=0)
    return not np.array_equal(before, norms(model)[0].moving_mean)


train(calibrated, 0.01)
for layer in norms(calibrated):
    layer.trainable = False
print("frozen after a fit, the averages move:", averages_move(calibrated))
calibrated.compile("sgd", "sparse_categorical_crossentropy")
print("and compiled again, they move:        ", averages_move(calibrated))

# %% [markdown]
# No error, no warning. Mended by `compile` after every change of `trainable`.
#
# **“I called the base with `training=False`, as the guides say.”** Predict.

# %%
quiz.ask("08", "frozen")

# %% [markdown] tags=["instructor"]
# **Ask.** Guides say that `training=False` is enough, so this one surprises
# those who have read them. The mode of the outer call is handed down. Let
# somebody propose the test that would have found it: compare the running means
# before and after.

# %% tags=["nbval-check-output"]
def on_top_of(base, **mode):
    inputs = keras.Input((64,))
    model = keras.Model(inputs, base(inputs, **mode))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(digits.x_train[:256], digits.y_train[:256], verbose=0)


for mode, trainable in [({"training": False}, True), ({}, False)]:
    base = models.mlp(batch_norm=True, depth=1)
    [norm] = norms(base)
    norm.trainable = trainable
    on_top_of(base, **mode)
    print(f"base called with {mode}, norm.trainable={trainable}: "
          f"the averages moved: {bool(np.any(norm.moving_mean))}")

# %% [markdown]
# In Keras 3 the mode of the outer call is handed down and overrides the inner
# one. The same is true of `training=True`: no argument you write there is safe
# from `fit` and `predict`. Mended by `trainable = False` on the normalization
# layers themselves, and by a test such as this one.
#
# **“It works in the notebook and not on the server.”** Every network of
# `keras.applications` has a `preprocess_input` of its own: some want pixels
# from −1 to 1, some from 0 to 255 without their mean. Our network wants 0 to
# 1, and somebody sends −1 to 1.

# %%
sent = 2 * digits.x_val - 1
inside = keras.Sequential([
    keras.Input((64,)), keras.layers.Rescaling(0.5, 0.5), calibrated])
print(f"as in training:              {accuracy(calibrated):.3f}")
print(f"from −1 to 1:                {accuracy(calibrated, sent):.3f}")
hidden = surgery.insert(surgery.fold(calibrated), digits.x_train)
re_estimate(hidden, 2 * digits.x_train - 1)
print(f"and statistics re-estimated: {accuracy(hidden, sent):.3f}")
print(f"scaled inside the model:     {accuracy(inside, sent):.3f}")

# %% [markdown] tags=["instructor"]
# **Point at** the third line: re-estimating hides most of a wrong scaling, and
# that is what makes it dangerous. A domain that you cannot change is
# re-estimated; a mistake that you can mend is mended. **Short of time:** leave
# out folding a cold network. **Homework:** 2.7, 2.11 and 2.12.

# %% [markdown]
# Re-estimating hides such a mistake and does not mend it. Mended by the
# scaling inside the model (lecture 04), or by the network's own
# `preprocess_input`. Re-estimate for a domain you cannot change, not for a
# mistake you can.
#
# **“I folded it, and now it is worse.”** Folding keeps the answers of
# *inference mode*. If the averages are cold, it keeps those.

# %%
keras.utils.set_random_seed(0)
young = models.cnn(input_shape=(64,), batch_norm=True)
train(young, 0.1)
print(f"one epoch, momentum 0.99:    {accuracy(young):.3f}")
print(f"folded:                      {accuracy(surgery.fold(young)):.3f}")
re_estimate(young, digits.x_train)
print(f"re-estimated, then folded:   {accuracy(surgery.fold(young)):.3f}")

# %% [markdown]
# And a folded network cannot be re-estimated any more; its averages have
# become weights. Mended by this order: train, warm up or re-estimate, test in
# inference mode, fold. Keep the unfolded one.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
print(f"bnp-cannot-insert: {verdicts[0].verdict}")

# %% [markdown]
# You may say: batch norm can be put into a trained network and changes
# nothing, if its four numbers are set to fit; its statistics can be estimated
# anew without labels, which undoes a change of contrast, but not noise;
# folded, it is free. You may not say that it cannot be added, that it must
# always be frozen or never (on one task freezing cost accuracy, on the other
# it gained), or that it costs nothing in training. Ask three things before you
# freeze: how many images are in a batch, how far away is the new domain, and
# are the averages warm?
#
# **Where to go next.** Lecture 09 is about dropout. Exercise {{exercise}} belongs to
# this lecture and to the four before it.
#
# **References.**
#
# - S. Ioffe, C. Szegedy: *Batch normalization: accelerating deep network training
#   by reducing internal covariate shift*, ICML 2015.
# - Y. Li, N. Wang, J. Shi, J. Liu, X. Hou: *Revisiting batch normalization for
#   practical domain adaptation*, arXiv 1603.04779, 2016.
# - M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen: *MobileNetV2: inverted
#   residuals and linear bottlenecks*, CVPR 2018.
# - B. Jacob et al.: *Quantization and training of neural networks for efficient
#   integer-arithmetic-only inference*, CVPR 2018 (folding, section 3.2).
# - Y. Wu, J. Johnson: *Rethinking “Batch” in BatchNorm*, arXiv 2105.07576, 2021.
