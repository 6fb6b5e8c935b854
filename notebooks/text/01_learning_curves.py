# ---
# jupyter:
#   course:
#     minutes: 45
#     exercise: "01"
#     lab: learning_curve
# ---

# %% [markdown]
# # Learning curves: more data or a better model?
#
# After this lecture you can
#
# - **draw** a learning curve: scores against the size of the training set, over
#   nested subsets and repeated splits, with honest intervals;
# - **tell** high bias, high variance and a noise floor apart, by eye and by number;
# - **fit** a power law to the sizes you have, **test** it on sizes you held out, and
#   say when not to trust it;
# - **decide** whether to buy data or to look for a better model.
#
# You need about {{minutes}} minutes. You should be able to build and fit a small network
# in Keras. Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# 1. “More data always helps.”
# 2. “A network that knows its training data by heart needs more data.”
# 3. “More data helps, even if some of it is labeled carelessly.”
#
# Acting on the first one is expensive, because data have to be collected and
# labeled. Often it is true. Here you will learn how to find out before you pay.

# %% [markdown]
# ## Predict first
#
# Commit yourself before you run anything.

# %%
from course_utils import quiz

quiz.ask("01", "doubling")

# %% [markdown] tags=["instructor"]
# **Ask.** Let everyone commit, by hands or on paper, before anybody opens an
# answer; two minutes. The tempting one is the network with four units, since
# it is so small: but lacking units is not the same as lacking data. Leave it
# open and come back to it at the three panels.

# %% [markdown]
# ## The idea
#
# Train on $n$ samples, score on samples that no training ever sees, and let $n$
# grow. Two rules make the points of such a curve comparable. The subsets are
# **nested**: the first 64 images are among the first 128. And the validation set
# **stays the same** for all of them. By hand, with a support vector machine:

# %%
from sklearn.svm import SVC

from course_utils import datasets

digits = datasets.digits(seed=0)
for n in (32, 128, 512):
    model = SVC().fit(digits.x_train[:n], digits.y_train[:n])
    print(f"{n:4} images: {model.score(digits.x_val, digits.y_val):.1%}")

# %% [markdown]
# That is one split of the data. Another one gives other numbers.
# `sklearn.model_selection.learning_curve` repeats it over as many splits as you
# ask for, and also scores the images it has trained on. We take ten random splits.
# The test set stays closed, as always.

# %%
import numpy as np
from sklearn.model_selection import ShuffleSplit, learning_curve

sizes = [32, 48, 64, 96, 128, 192, 256, 512, 1024]
x = np.concatenate([digits.x_train, digits.x_val])
y = np.concatenate([digits.y_train, digits.y_val])
splits = ShuffleSplit(10, test_size=len(digits.x_val), random_state=0)
_, trained, validated = learning_curve(SVC(), x, y, train_sizes=sizes,
                                       cv=splits)
validated.shape

# %% [markdown]
# One row for each size, one column for each split. Now the same for a network.
# `fit_many` trains it at every size and for every seed. `data` is a *function* of
# the seed here, so that each seed has a split of its own, and `train_size` takes
# nested subsets. All runs take the same number of steps, whatever the size.

# %%
from course_utils import fit_many, models

grid = {"width": 32, "depth": 2, "learning_rate": 0.1,
        "train_size": sizes, "seed": range(10)}
network = fit_many(models.mlp, datasets.digits, grid, epochs=20)

# %% [markdown]
# In the figure, look at three things: where each curve ends, how far apart the two
# are, and how steep the lower one still is at its right end.

# %%
from course_utils import plots

scores = network[["accuracy", "val_accuracy"]].isel(epoch=-1)
ax = plots.lines(scores.to_dataarray(), "train_size", by="variable",
                   test_share=0.2,
                   title="A network that learns its images by heart")
_ = ax.set(ylabel="accuracy")

# %% [markdown] tags=["instructor"]
# **Before you show it,** ask for the upper curve: how well does a network do
# on 32 images that it has trained on? **Point at** three things, always in
# this order: the upper curve, the gap, the slope at the right end.
# **Question:** “Are the bands the scatter of the runs?” No, they say how well
# the mean is known; the next cell prints the three widths, and one minute for
# it is enough.

# %% [markdown]
# The network memorizes its training images at almost every size. (At the largest
# size, its training accuracy stays a little below 100%: all sizes get the same
# number of steps, and the largest could use more.) What it gets wrong is on images
# that it has not seen. That gap closes as the data grow.
#
# **What are the bands?** Not the standard deviation of the scores: that says how
# much *one* split differs from the next, not how well you know the mean. And not the
# plain interval either. All splits are cut from the same images, so their scores are
# not independent. The corrected interval (Nadeau & Bengio 2003) is wider, to allow
# for that:

# %%
from course_utils import stats

final = network.val_accuracy.isel(epoch=-1).sel(train_size=256)
plain = stats.interval(final)
corrected = stats.resampled_interval(final, test_share=0.2)
print(f"standard deviation  ± {final.std():.4f}")
print(f"plain interval      ± {plain.high - plain['mean']:.4f}")
print(f"corrected interval  ± {corrected.high - corrected['mean']:.4f}")

# %% [markdown]
# `test_share` is the share of all images that each split scores on, and the correction
# assumes that the split trains on all the others. Our networks train on fewer, so the
# corrected interval above and the bands in the figures are still too narrow, most of
# all at the small sizes. (The verdicts below use the plain interval of paired
# differences: they speak of these images. The ledger tries them again with other
# splits, and on another task.)

# %% [markdown]
# ## Three illnesses
#
# Two more curves. The first belongs to a network that is **too small**: four hidden
# units. The second belongs to one that is large enough, but sees too little: of each
# image only two numbers, the mean of its upper and of its lower half.

# %%
from course_utils.claims.learning_curves import halves

tiny = {"depth": 1, "width": 4, "activation": "tanh"}
small = {"depth": 1, "width": 16}
too_small = fit_many(models.mlp, datasets.digits, grid | tiny, epochs=20)
blind = fit_many(models.mlp, halves(datasets.digits),
                 grid | small | {"learning_rate": 0.3}, epochs=20)

# %%
figure, axes = plots.panels(3)
figure.suptitle("High bias and a noise floor pull training accuracy down")
cases = {"High bias": too_small, "High variance": network,
         "Noise floor": blind}
for ax, (title, runs) in zip(axes, cases.items(), strict=True):
    scores = runs[["accuracy", "val_accuracy"]].isel(epoch=-1)
    plots.lines(scores.to_dataarray(), "train_size", by="variable",
                  test_share=0.2, title=title, ax=ax)
    ax.set(ylabel="accuracy", ylim=(0, 1.02))

# %% [markdown] tags=["instructor"]
# **Stay here five minutes;** it is the figure not to skip. Cover the titles
# and let the class make a diagnosis for each panel: how high is training, how
# wide is the gap? Left and right follow the same course at different heights;
# what tells them apart is the experiment of the next cell. Then open the
# prediction again: the left end of the middle panel is steep, the right ends
# of the two others are much flatter. But the left panel begins steeply, too:
# what a network gains depends on its size *and* on how many images it has. The
# next cell has the numbers.

# %% [markdown]
# - **High variance** (middle): training accuracy near 100 %, a wide gap. The network
#   could do it; it has not seen enough.
# - **High bias** (left): the training accuracy *falls* as data are added, and the two
#   curves meet below the top. The network cannot express what it sees.
# - **Noise floor** (right): the curves follow the same course as with high bias, only
#   lower. But here the *inputs* do not hold the answer.
#
# The height of the curves does not say which of the two it is. What tells them apart
# is another experiment: the larger network of the first figure. Each row uses as
# many training images as the first prediction. How much does a network gain from
# doubling them, and how much from the larger network?

# %%
wider = fit_many(models.mlp, halves(datasets.digits),
                 grid | {"learning_rate": 0.3, "train_size": [512]}, epochs=20)


def last(runs, size, part="val_accuracy"):
    return float(runs[part].isel(epoch=-1).sel(train_size=size).mean())


print("                  training error   gap   doubling   larger network")
for name, n, runs, larger in (("four units", 512, too_small, network),
                              ("known by heart", 64, network, None),
                              ("two numbers", 512, blind, wider)):
    seen, unseen = last(runs, n, "accuracy"), last(runs, n)
    print(f"{name:17} {1 - seen:10.2f} {seen - unseen:12.2f}"
          f" {last(runs, 2 * n) - unseen:+9.2f}",
          "" if larger is None else f"{last(larger, n) - unseen:+12.2f}")

# %% [markdown]
# Doubling helps most in the row with the widest gap. That row also has the fewest
# images, so it does not say that the network alone makes the difference: with 64
# images, the network with four units has a wide gap as well, and the figure shows its
# curve rising about as steeply. A diagnosis is for a network *with a given number of
# images*. With 512 images, the two other networks have a large training error and a
# small gap. One of them gains more from the larger network than from doubling; the
# other gains little from either. That is the difference between bias and noise, in
# numbers.

# %% [markdown]
# ## The lab
#
# The lab trains ten networks at each of nine sizes. On the left are the training and
# validation accuracy; on the right is the validation error on logarithmic axes, with a
# power law that was fitted *only* to the images you have (filled points). The hollow
# points are held out. Below the lab are three things to try.

# %%
from course_utils import labs

labs.learning_curve()

# %% [markdown] tags=["instructor"]
# **Try this, answered.** Few images are enough for the power law to come close to the
# hollow points, but the interval widens with every size that is left out. With label
# noise, the flat beginning of the curve misleads the power law: it predicts too
# little improvement, and the hollow points are below its band. With four units, the
# two curves have met well below the top, and doubling the images would help less than
# adding units, so don't buy more data. **Time:** Every change takes a few seconds;
# ask for a prediction in the meantime.

# %% [markdown]
# ## The trials
#
# The first claim says *always*. So one honest counterexample is enough, and the theory
# above says where to look: at the noise floor. One point of accuracy is the least that
# a doubling of the data should buy; that was fixed before the trial was run. (The words
# of a verdict are those of the welcome page; lecture 03 explains them.)

# %%
from course_utils import claims

always = claims.get("lc-more-data")
always.code()

# %%
verdicts = [always.judge(always.trial(datasets.digits, range(always.seeds)))]
verdicts[0]

# %% [markdown] tags=["instructor"]
# **Read a verdict aloud** in one order, here and in every lecture: the
# sentence, the interval, the threshold, the word. “So data do not help” is the
# wrong conclusion: the claim says *always*, and one honest counterexample ends
# it. The next cell shows where data do help. What the words mean exactly can
# wait for lecture 03.

# %% [markdown]
# And where theory says that data *do* help: a wide gap, 256 images known by heart.

# %%
by_heart = claims.get("lc-learned-by-heart")
runs = by_heart.trial(datasets.digits, range(by_heart.seeds))
verdicts.append(by_heart.judge(runs))
verdicts[-1]

# %% [markdown]
# There is a third way to get more data: quickly. You have 256 well-labeled images.
# Somebody labels all the others in a hurry, and every second label is wrong. Both arms
# take the same number of steps, each at the learning rate that is best for it.

# %%
careless = claims.get("lc-careless-labels")
runs = careless.trial(datasets.digits, range(careless.seeds))
verdicts.append(careless.judge(runs))
verdicts[-1]

# %% [markdown]
# Four times as many images, and a *worse* network. How many wrong labels can the new
# images have before you should have left them alone? Look for the interval that
# straddles zero.

# %% [markdown] tags=["instructor"]
# **Ask** before the figure: 256 good labels, and you are offered all the other
# images, every second one labeled wrongly. Do you take them? “Half of them are
# right, so they cannot hurt” is the answer to wait for. Then let the class
# find the interval that straddles zero: that is about the share of wrong
# labels at which the new images are worth nothing.

# %%
from course_utils.claims.learning_curves import tuned_runs, collected, gained_by_collecting

_, alone = runs
gains = {}
for wrong in (0.0, 0.25):
    data = collected(datasets.digits, wrong=wrong)
    more = tuned_runs(data, range(careless.seeds), {})
    gains[f"{100 * wrong:g} % wrong"] = stats.interval(
        gained_by_collecting((more, alone)))
gains["50 % wrong"] = verdicts[-1]
_ = plots.intervals(gains, neutral=0, xlabel="accuracy gained",
                    title="Careless labels eat up what images bring")

# %% [markdown]
# The same images, well labeled, would have paid. With every fourth label wrong nothing
# is left of that which could be told from zero; with every second one wrong they cost.
# So look at the labels before you count the images.
#
# ## Where does the curve go?
#
# Along a good stretch of many learning curves the error falls as a **power law**,
#
# $$\text{error}(n) = a\, n^{-b} + c .$$
#
# The rate $b$ says how quickly data pay. The floor $c$ is what no data remove. On
# logarithmic axes, with $c = 0$, it is a straight line. The practical question:
# having 256 images, may we read off what 1024 would give?

# %%
quiz.ask("01", "law")

# %%
from course_utils import power_law

errors = 1 - network.val_accuracy.isel(epoch=-1)
owned = errors.sel(train_size=slice(256))
law = power_law.fit(owned)
print(f"rate {law.rate:.2f}, floor {law.floor:.3f}")
_ = plots.power_law(errors, law,
                    title="On digits the law hits what it has not seen")

# %% [markdown]
# The hollow points were not used in the fit, and they lie in the shaded region or
# at its edge. That is a *test*, the part that is usually left out. The region is a 95 %
# **prediction interval**: how far the fit may be off, and how much the new mean
# scatters. It takes for granted that the curve *is* a power law. Now the same steps on
# another task, which of ten tones sounds in noise:

# %% [markdown] tags=["instructor"]
# **Ask** before you show the tones: if the law fails there, will the shaded
# region warn you? It does not, because it knows about chance and not about a
# wrong form. Here the law errs on the gloomy side; say that it might as well
# have been the other one. **Short of time:** go from here straight to the
# back-test and leave out the decision.

# %%
tones = fit_many(models.mlp, datasets.tones, grid, epochs=20)
tone_errors = 1 - tones.val_accuracy.isel(epoch=-1)
tone_law = power_law.fit(tone_errors.sel(train_size=slice(256)))
_ = plots.power_law(tone_errors, tone_law,
                    title="On tones it is wrong, and very sure of it")

# %% [markdown]
# At first the error falls slowly, then it plunges. The law was fitted to the bend in
# between and drew it on as a line. The interval did not warn. It only knows about
# chance, not about a wrong form.
#
# **Mended by a back-test.** Before you trust a law beyond your data, hide the largest
# size that you *do* have and let the law predict it from the others. If it misses there,
# it has no business farther out. If it hits, that is evidence for a step of this length:
# here from 192 images to 256, a much shorter one than from 256 to 1024.

# %%
def back_test(errors):
    """Does a law fitted to all sizes but the largest predict that one?"""
    law = power_law.fit(errors.isel(train_size=slice(-1)))
    said = law.predict(errors.train_size[-1:]).isel(train_size=0)
    hidden = errors.isel(train_size=-1).mean()
    return bool(said.low <= hidden <= said.high)


for name, curve in {"digits": errors, "tones": tone_errors}.items():
    up_to_256 = curve.sel(train_size=slice(256))
    print(f"{name:7} passes the back-test: {back_test(up_to_256)}")

# %% [markdown]
# ## The decision
#
# What would doubling *all* our digits buy, and what does a better model buy? For the
# data, ask the law, fitted to everything we have now. For the model, compare with the
# support vector machine from the beginning.

# %%
law = power_law.fit(errors)
now = errors.sel(train_size=1024).mean()
twice = law.predict([2048]).isel(train_size=0)
machine = 1 - validated[sizes.index(1024)].mean()
print(f"the law passes its back-test      {back_test(errors)}")
print(f"error of the network now          {now:.1%}")
print(f"with twice the data, by the law   {twice['mean']:.1%}"
      f"  [{twice['low']:.1%}, {twice['high']:.1%}]")
print(f"error of the other model, now     {machine:.1%}")

# %%
import xarray as xr

svm = xr.DataArray(1 - validated, {"train_size": sizes, "seed": range(10)})
both = xr.Dataset({"network": errors, "support vector machine": svm})
ax = plots.lines(both.to_dataarray(), "train_size", by="variable",
                   test_share=0.2,
                   title="A better model costs no labels at all")
plots.errors_on_log_axis(ax)

# %% [markdown] tags=["instructor"]
# **Point at** both ends. On the right the support vector machine is ahead at
# its default settings; on the left, with few images, it is not. So the lesson
# is not “take an SVM” but “try the cheap model before you pay for labels”.

# %% [markdown]
# With many of these small images, a support vector machine at its default settings
# beats our network. Its mean error now is below the whole interval that the law
# predicts for the network with twice the data. The comparison is a rough one: the two
# were scored on different splits, so their runs are not pairs, and the network's
# learning rate and number of steps were not tuned. Still, trying a cheap classical
# model first costs very little. If it wins, you have saved the price of the data.

# %% [markdown]
# ## What goes wrong
#
# **“The first n rows will do.”** They will not, if the file is sorted. Here is a
# nearest-neighbor classifier on digits sorted by class, and on shuffled ones:

# %%
from sklearn.neighbors import KNeighborsClassifier

order = np.argsort(y, kind="stable")
for shuffle in (False, True):
    _, _, scores = learning_curve(
        KNeighborsClassifier(), x[order], y[order], cv=5, shuffle=shuffle,
        train_sizes=[64, 256, 1024], random_state=0)
    print(f"shuffle={shuffle!s:5}", scores.mean(axis=1).round(2))

# %% [markdown]
# The first curve promises a huge gain from more data. All it shows is that the later
# rows hold the missing classes. Mended by `shuffle=True`.
#
# **“Twenty epochs for everyone.”** With 32 images an epoch is a single step. Train all
# sizes for the same number of *their own* epochs, and the small sets hardly get
# trained at all.

# %%
steps = fit_many(models.mlp, datasets.digits, grid, epochs=20,
                 evaluate_every=20).val_accuracy
after = [20 * (n // 32) for n in sizes]   # steps in 20 epochs of n images
own = steps.sel(step=xr.DataArray(after, {"train_size": sizes}))
both = xr.Dataset({"20 epochs of its own": own.drop_vars("step"),
                   "equally many steps": steps.isel(step=-1, drop=True)})
ax = plots.lines(both.to_dataarray(), "train_size", by="variable",
                   test_share=0.2,
                   title="Equal epochs exaggerate what data buy")
_ = ax.set(ylabel="validation accuracy")

# %% [markdown]
# The lower curve mixes two things, fewer images and less training. **Fix:** give every
# size the same number of steps, as `fit_many` does, and enough of them for the largest
# size; or train each until its own validation score stops rising (lecture 02).
#
# **“The gap is large, so I need data.”** A gap at the *end* of a short curve says that
# data would help; the slope says how soon. Look at both, and back-test the law.

# %% [markdown]
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts[1:]:
    print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: data help where training is perfect and validation is not. Where the
# network cannot express the answer they bring less than a larger network does; where
# the inputs do not contain it they bring little; and badly labeled data can hurt. How
# little is little? The first line does not say the same twice: the trial finds next to
# nothing, the re-trial perhaps a point. So say only that it is little. You may
# extrapolate a curve only after a back-test, and not much farther than the back-test
# reached. You may not say “always”.
#
# **Where to go next.** Lecture 02 looks at the other curve, scores against epochs, and
# asks what is wrong with a single run. Exercise {{exercise}} has you draw a learning curve by
# hand and decide for three data sets whether to buy more.
#
# **References.**
#
# - C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker: *Learning curves:
#   asymptotic values and rate of convergence*, NIPS 1993.
# - C. Nadeau, Y. Bengio: *Inference for the generalization error*, Machine Learning
#   52, 2003.
# - J. Hestness et al.: *Deep learning scaling is predictable, empirically*, 2017.
# - T. Viering, M. Loog: *The shape of learning curves: a review*, IEEE Transactions
#   on Pattern Analysis and Machine Intelligence, 2023.

# %% [markdown] tags=["instructor"]
# **To close,** read the first row of the ledger together: trial, re-trial and
# second task need not say the same word, and the lecture claims no more than
# all of them bear. **Homework:** 1.1 and 1.6; whoever finishes early takes
# 1.5.
