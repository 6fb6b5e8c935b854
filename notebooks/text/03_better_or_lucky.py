# ---
# jupyter:
#   course:
#     minutes: 45
#     exercise: "01"
#     lab: seeds
# ---

# %% [markdown]
# # Better, or lucky? How many runs before you may say A beats B?
#
# After this lecture you can
#
# - **tell** what a seed fixes, what a split fixes, and how much each of them
#   moves a score;
# - **compute** the interval of a difference, paired and unpaired, and say when
#   pairing helps;
# - **fix** the number of seeds before you start, from the effect that matters;
# - **recognize** four ways of being fooled: one run each, stopping when it looks
#   good, many comparisons, overlapping splits;
# - **give** a verdict by the rule that this whole course follows.
#
# You need about {{minutes}} minutes. You should be able to build and fit a small network
# in Keras. Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# You have heard these, and perhaps said them:
#
# 1. “I set the seed, so it is reproducible.”
# 2. “It gained 0.4 points, so it is better.”
# 3. “I ran both once, with the same seed: the one ahead is better.”
# 4. “With the same seed in both arms luck cancels out.”
#
# Each will be tried here, over runs of real networks. Before that you will get
# the tools: they are the ones behind every verdict of this course.

# %% [markdown]
# ## Predict first
#
# Commit yourself before you run anything.

# %%
from course_utils import quiz

quiz.ask("03", "point_four")

# %% [markdown] tags=["instructor"]
# **Ask** for hands, and note the count on the board. “One time in twenty”
# sounds like significance: it is what one would *need*, not what is so. The
# histogram of trial 2 answers it.

# %% [markdown]
# ## The idea
#
# A validation accuracy is not a property of a network. It is one draw:
#
# $$\text{score} = \underbrace{\mu}_{\text{what you want to know}}
# + \underbrace{u_{\text{split}}}_{\text{which images you got}}
# + \underbrace{v_{\text{seed}}}_{\text{initial weights, order, noise}} .$$
#
# The *seed* fixes the initial weights, the order of the images and every other
# random choice of the training. The *split* fixes which images are trained on and
# which ones the score is counted on. In Keras:

# %%
import keras

from course_utils import datasets, models

digits = datasets.digits(seed=0)


def losses(seed):
    keras.utils.set_random_seed(seed)
    model = models.mlp(width=32, depth=2)
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
                  loss="sparse_categorical_crossentropy")
    return model.fit(digits.x_train, digits.y_train, epochs=2,
                     verbose=0).history["loss"]


# %% tags=["nbval-check-output"]
first = losses(seed=0)
print("the same seed once more, the same losses:", losses(seed=0) == first)
print("another seed, the same losses:           ", losses(seed=1) == first)

# %% [markdown]
# So much is true about seeds: the same seed gives the same run. Another seed
# gives another run of the same network, and neither is the right one.
#
# How far do such runs spread? Here is the experiment that most of this lecture
# lives on: many splits, ten seeds on each, and on each of those a narrow network
# and one twice as wide.

# %%
from course_utils import claims

point_four = claims.get("bl-point-four")
point_four.code()

# %%
runs = point_four.trial(datasets.digits, range(point_four.seeds))
narrow, wide = runs.points.sel(width=32), runs.points.sel(width=64)

# %% [markdown]
# Mind the names: along `seed` the *split* changes, since each seed of the trial
# brings its own, and along `run` lie the ten seeds on it. Look at the narrow network
# alone. Every column is a split, sorted by their means; every dot in it is the same
# network on the same images with another seed.

# %%
from course_utils import plots

columns = narrow.sortby(narrow.mean("run")).transpose("seed", "run")
ax = plots.axes()
ax.plot(columns, "o", color="C0", alpha=0.5)
ax.plot(columns.mean("run"), "_", color="C1", markersize=14,
        markeredgewidth=2.5)
ax.set(xlabel="splits, sorted by their means (bars)", xticks=[],
       ylabel="validation accuracy (points)")
_ = ax.set_title("One network, one recipe, and points between its runs")

# %% [markdown] tags=["instructor"]
# **The figure not to skip;** five minutes. Point at a single column and ask:
# which of these dots is the accuracy of the network? None: each is one draw.
# The next question is whether the columns differ, too. Warn that sorted means
# climb in any case; the standard deviations below say it properly.

# %% [markdown]
# Inside a column only the seed differs, and the dots lie points apart. From
# column to column the split differs too; but sorted bars climb in any case, so do not
# trust your eye here. As standard deviations, with their intervals over the splits:

# %%
import numpy as np

from course_utils import stats

same_split = narrow.var("run", ddof=1)
both_vary = ((narrow - narrow.roll(seed=1)) ** 2).mean("run") / 2
for name, variance in {"another seed, the same split": same_split,
                       "another seed, another split": both_vary}.items():
    sd = np.sqrt(stats.interval(variance))
    print(f"{name:29} {sd['mean']:.2f} points "
          f"[{sd['low']:.2f}, {sd['high']:.2f}]")

# %% [markdown]
# ### The interval of a difference
#
# You train A and B with $n$ seeds each. If run $i$ of A and run $i$ of B have
# something in common, subtract first: $d_i = b_i - a_i$. With their mean $\bar d$,
# their standard deviation $s_d$, and Student's $t$ at 97.5 % ($s_a$ and $s_b$: the
# standard deviations of the runs of A and of B; $\nu$: Welch's degrees of freedom),
#
# $$\text{paired:}\quad \bar d \pm t_{n-1}\,\frac{s_d}{\sqrt n}, \qquad
# \text{unpaired:}\quad \bar b - \bar a \pm t_\nu
# \sqrt{\frac{s_a^2}{n} + \frac{s_b^2}{n}} .$$
#
# What both runs share drops out of $d_i$; if it is much, $s_d$ is small. In the
# second formula everybody's luck is counted. So, what should the two runs share?

# %%
quiz.ask("03", "share")

# %% [markdown] tags=["instructor"]
# **Ask,** then think aloud with the class: which luck is in one run? Which
# images, which initial weights, which order. “Nothing may be shared, runs must
# be independent” is the tempting answer. Independent runs may be compared;
# they only cost more of them.

# %% [markdown]
# The same runs, subtracted in three ways. Look at how much a single difference
# between wide and narrow varies, depending on what the two runs share.

# %%
partners = {"nothing": narrow.roll(seed=1), "the split": narrow.roll(run=1),
            "the split and the seed": narrow}
spread = {}
for shared, partner in partners.items():
    gained = wide - partner
    squares = ((gained - gained.mean()) ** 2).mean("run")
    spread[shared] = np.sqrt(stats.interval(squares))
_ = plots.intervals(spread, title="What both runs share cancels",
                    xlabel="standard deviation of a difference (points)")

# %% [markdown]
# With each thing shared the difference varies less. That of the split one would
# expect. That of the seed is less obvious: the two networks have weights of
# different shapes, but they see the images in the same order. Whether it counts
# for much is claim 4.
#
# For the interval itself, take one run of each network on every split, first as
# pairs, then as if you had forgotten which belong together.

# %%
one = runs.points.sel(run=0)
found = {name: difference(one, "width", between=(32, 64)) for
         name, difference in {"paired": stats.paired_difference,
                              "unpaired": stats.unpaired_difference}.items()}
found["paired, ten runs on each split"] = stats.paired_difference(
    runs.points.mean("run"), "width", between=(32, 64))
_ = plots.intervals(found, neutral=0, xlabel="points gained by width",
                    title="The same runs say more as pairs")

# %% [markdown]
# The first two have the same mean, from the same runs; only the intervals differ.
# The third has ten times as many runs, and we shall take it for the truth: the
# wider network is better on these data, by little.
#
# ### The rule for verdicts
#
# A claim gets a threshold and a number of seeds *before* the seeds of its trial
# are run, and then one of five words. Here are invented intervals, judged by the
# rule of this course for a claim that needs 0.95, where 0.5 would mean no effect
# at all:

# %%
claim = claims.get("bl-one-run")
invented = [(0.96, 0.99), (0.6, 0.9), (0.35, 0.6), (0.2, 0.4),
            (0.85, 0.99), (0.4, 0.97)]
examples = {}
for row, (low, high) in enumerate(invented, 1):
    verdict = claims.Verdict(claim, (low + high) / 2, low, high, seeds=10)
    examples[f"{row}  {verdict.verdict}"] = verdict
_ = plots.intervals(
    examples, threshold=claim.threshold, neutral=claim.neutral,
    title="The whole interval decides, never the dot alone")

# %% [markdown] tags=["instructor"]
# **A game:** cover the words on the left and let the class give one to each
# row. Rows 2 and 3 differ only in whether they reach the gray line. Row 5 is
# where the dot misleads: it lies close to the threshold, and the interval on
# both sides of it. Insist that “undecided” is a finding: it asks for more
# seeds, it does not say that there is nothing.

# %% [markdown]
# *Holds*: all of the interval lies beyond the threshold. *Holds in part*: all of
# it lies between no effect and the threshold. *Does not hold*: all of it lies below
# the threshold, and it includes “no effect” (some claims have no “in part”; for them,
# everything below the threshold counts as “does not hold”). *Reverses*: all of it lies
# on the other side of “no effect”. *Undecided*: it includes the threshold. That is a
# finding too. It says that you need more seeds, not that there is no effect.

# %% [markdown]
# ## The lab
#
# The lab uses real runs of both networks, each seed with its own split. Only their true
# difference is replaced by the one you choose, so that we know the truth. On the left
# are thirty experiments; the dashed line is the truth. Blue intervals find the
# difference, gray ones include zero, and orange ones report something false. On the
# right you see how the results of a thousand experiments change with the number of
# seeds. Below the lab are three things to try.

# %%
from course_utils import labs

labs.seeds()

# %% [markdown] tags=["instructor"]
# **Let the class move the controls,** one volunteer for each item. If the networks
# share their seeds, about half as many seeds are enough. At a true difference of
# zero, the share of orange intervals stays near one in twenty, whatever the number of
# seeds; if experiments stop early, it grows with every look. **Question:** “Why are
# most of them gray?” Because a few seeds rarely find a difference: undecided is the
# usual outcome of a small study.

# %% [markdown]
# ## Trial 1: “I set the seed, so it is reproducible”
#
# On one machine, with one version of every library, you saw it hold. On another
# one, sums are added up in another order, and the last bit of a number may come
# out differently. We imitate that: the same seeds twice, and the second time every
# pixel that is not zero is larger by about one part in ten million, one or two
# units of its last bit.

# %%
same_run = claims.get("bl-same-run")
same_run.code()

# %%
twins = same_run.trial(datasets.digits, range(same_run.seeds))

# %% [markdown]
# Twins start with the same weights and see the same batches. Watch how many of
# them still have the same accuracy, epoch by epoch, at an ordinary learning rate
# and at a high one.

# %% [markdown] tags=["instructor"]
# **Ask** first: the same seed on another computer, the same run? **Point at**
# both lines: the calm rate forgets the disturbance, the high one amplifies it.
# **Question:** “So are seeds useless?” No: they pair the arms, and they repeat
# a run on one machine. They do not make a finding true.

# %%
from course_utils.claims.better_or_lucky import same_accuracy

ax = plots.lines(same_accuracy(twins).rename("twins still equal"),
                   "epoch", by="learning_rate",
                   title="At a high rate the last bit becomes another run")
_ = ax.set_ylim(0, 1.03)

# %% [markdown]
# At the ordinary rate training mostly forgets the disturbance. At the high one it
# amplifies it, and soon most twins are two different runs. A seed alone promises
# you a run only together with the machine, the libraries and a calm training.

# %%
verdicts = [same_run.judge(twins)]
verdicts[0]

# %% [markdown]
# That is the average over both rates, and the figure shows that the high one decides
# it. And where the run *is* reproduced, what have you reproduced? One draw. Whether
# the *finding* comes out again is asked with other seeds, and that is trial 3.
#
# ## Trial 2: “It gained 0.4 points, so it is better”
#
# An A/A test: A against A. All pairs of runs of the narrow network on one split.
# Nothing is better than anything here, so look at how many pairs would still
# make a headline.

# %%
first, second = np.triu_indices(narrow.sizes["run"], 1)
values = narrow.transpose("seed", "run").values
apart = np.abs(values[:, first] - values[:, second]).ravel()
ax = plots.axes()
image = 100 / len(digits.x_val)   # points that one image is worth
edges = image * np.arange(-0.5, apart.max() / image + 1)
_, _, bars = ax.hist(apart, bins=edges,
                     weights=np.full(apart.size, 1 / apart.size))
for bar in bars[:2]:   # no image apart, or one
    bar.set_color("0.6")
ax.set(xlabel="points between two runs of the same network",
       ylabel="share of pairs")
_ = ax.set_title("Most pairs of equals lie 0.4 points or more apart")

# %% [markdown] tags=["instructor"]
# **Let the class work out** how many validation images 0.4 points are;
# `digits` says how many there are. The answer is between one and two. Only the
# gray bars are below 0.4 points. Then open the first prediction and compare
# with the count on the board.

# %% [markdown]
# One bar for each number of validation images. Only the gray bars are below 0.4
# points. If such a gain is to mean something, they have to hold nearly all pairs; our
# threshold is 95% of them.

# %%
verdicts.append(point_four.judge(runs))
verdicts[-1]

# %% [markdown]
# ## Trial 3: “I ran both once: the one ahead is better”
#
# Now A and B, narrow and wide, and there *is* a difference. Somebody who runs each
# once, on one split and with the same seed, names the one that is ahead. How often
# is that the right one?

# %%
one_run, same_seed = claims.get("bl-one-run"), claims.get("bl-same-seed")
verdicts += [one_run.judge(runs), same_seed.judge(runs)]
verdicts[-2]

# %% [markdown]
# Better than tossing a coin, and far from what a report sounds like. How fast does
# it improve if you take the mean of several differences? We draw thousands of
# small studies from the real differences above, each on one new split and seed after
# the other: paired, both networks get the same; unpaired, each its own. The thin
# lines are what `stats.sign_error` expects of normal differences. Look at the left
# end first, then at the distance between the two curves.

# %%
rng, ax = np.random.default_rng(0), plots.axes()
numbers = np.arange(1, 21)
for name, partner in {"unpaired": narrow.roll(seed=1),
                      "paired": narrow}.items():
    gained = (wide - partner).values.ravel()
    sums = rng.choice(gained, (5000, 20)).cumsum(1).round(3)
    wrong = ((sums < 0) + 0.5 * (sums == 0)).mean(0)   # a tie: a coin
    normal = stats.sign_error(gained.mean(), gained.std(), seeds=numbers)
    ax.plot(numbers, wrong, label=name)
    ax.plot(numbers, normal, "-", color="0.4", linewidth=1, marker="")
ax.set(xlabel="seeds", ylabel="chance of naming the wrong network",
       xticks=[1, 5, 10, 15, 20], ylim=(0, 0.5))
ax.set_title("Pairs settle the sign with fewer seeds")
_ = ax.legend()

# %% [markdown] tags=["instructor"]
# **Point at** the left end first: that is a report with one run for each arm.
# Then ask where the curves would have to be for you to publish. The distance
# between the curves is what pairing is worth on digits; the ledger has a task
# where sharing the seed is worth nothing, and it costs next to nothing
# either.

# %% [markdown]
# A single run of each is wrong disturbingly often. The mean over seeds gets there,
# and paired seeds get there first. Is it fair to say that luck *cancels*? We chose
# a criterion after the pilot and before the seeds of this trial were run: sharing
# the seed, on one split, has to make the interval half as wide, which is worth
# four times as many runs.

# %%
verdicts[-1]

# %% [markdown]
# ### Seeds needed, fixed beforehand
#
# Turn the interval around: to detect a difference $\delta$ four times in five you
# need about $n \approx (2.8\, s_d / \delta)^2$ pairs. `stats.seeds_needed` does it
# exactly for normally distributed differences. It wants two numbers: the smallest
# effect that *matters to you*, and a standard deviation from a pilot whose seeds
# you will not use again.

# %%
paired_sd = float((wide - narrow).std(ddof=1))
single_sd = float(np.sqrt(both_vary.mean()))
for effect in (2.0, 1.0, 0.4):
    pairs = stats.seeds_needed(effect, paired_sd)
    each = stats.seeds_needed(effect, single_sd, paired=False)
    print(f"{effect} points: {pairs:3} pairs, or {each:3} unpaired runs "
          "of each")

# %% [markdown]
# By the formula half the effect costs four times the seeds; where they are few,
# Student's t asks for some more. If the last line is more than you can pay, say so,
# and claim nothing about 0.4 points. The count is for an interval that leaves out
# zero. To get beyond a threshold, as the verdicts of this course require, only the
# part of the effect above the threshold counts, and that takes more seeds.

# %% [markdown]
# ## What goes wrong
#
# **“I stopped when it was significant.”** Predict first.

# %%
quiz.ask("03", "peek")

# %% [markdown] tags=["instructor"]
# **Ask.** “One in twenty, that is what 95 % means” is the answer to wait for:
# true for one look at a number of seeds that was fixed. Here one looks again
# and again, and takes the first chance to be fooled. **Short of time:** this
# quiz, the figure after it, and the ledger; leave out the twenty variants and
# the overlapping splits. **Homework:** 1.3, 1.4 and 1.7.

# %% [markdown]
# An A/A test again: differences between real runs of the narrow network, with
# random signs, so that the truth is zero. The lower curve looks once, at a number
# of seeds that was fixed. The upper one looks after every seed and stops at the
# first interval without zero.

# %%
import xarray as xr

equals = (narrow - narrow.roll(run=1)).values.ravel()
signs = rng.choice([-1, 1], (3000, 30))
studies = xr.DataArray(signs * rng.choice(equals, signs.shape),
                       dims=("study", "seed"))
numbers, sure = range(3, 31), []
for n in numbers:
    found = stats.interval(studies.isel(seed=slice(n)))
    sure.append((found.low > 0) | (found.high < 0))
once, peeking = np.mean(sure, 1), np.maximum.accumulate(sure).mean(1)

# %%
ax = plots.axes()
ax.plot(numbers, peeking, label="looks after every seed", marker="")
ax.plot(numbers, once, label="looks once", marker="")
ax.axhline(0.05, color="0.4", linewidth=1, marker="", linestyle="-")
ax.set(xlabel="seeds", ylabel="share that finds a difference",
       ylim=(0, None))
ax.set_title("Look often enough, and nothing becomes something")
_ = ax.legend()

# %% [markdown]
# **Fix:** decide on the number of seeds in advance, or use a sequential design,
# whose intervals allow for repeated looks.
#
# **“One of our twenty variants is better.”** One interval in twenty misses.
# Twenty variants, all secretly the same as what they are compared with, ten seeds
# each; how many studies find at least one improvement or harm? **Fix:** ask more
# of each interval. With the level `stats.bonferroni_level(20)` for each, all twenty
# together are right at least 95% of the time.

# %%
signs = rng.choice([-1, 1], (1000, 20, 10))
variants = xr.DataArray(signs * rng.choice(equals, signs.shape),
                        dims=("study", "variant", "seed"))
for level in (0.95, stats.bonferroni_level(20)):
    found = stats.interval(variants, level=level)
    false = ((found.low > 0) | (found.high < 0)).any("variant").mean()
    print(f"level {level:.4f}: {false:.0%} of studies find something")

# %% [markdown]
# **“I resampled the splits, so my runs are independent.”** All these splits cut up
# the same images; two training sets share most of them. The ordinary interval
# counts each split as new evidence, and is too narrow if you want to speak of
# *new* images. `stats.resampled_interval` widens it by the ratio of validation to
# training images, taking for granted that a split trains on all that it does not
# score on. So the test images, which do neither, are left out of `test_share`.

# %%
gained = (wide - narrow).mean("run")
share = len(digits.x_val) / (len(digits.x_train) + len(digits.x_val))
_ = plots.intervals(
    {"splits as if independent": stats.interval(gained),
     "corrected": stats.resampled_interval(gained, test_share=share)},
    neutral=0, xlabel="points gained by width",
    title="Splits of one data set are less evidence than they seem")

# %% [markdown]
# Which of the two you need depends on what you say: about *these* images the first
# will do, about digits in general take the second. More splits narrow the first
# one as far as you like; the second has a floor, and only more data lower it.

# %% [markdown]
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    if verdict.claim.key != "bl-same-seed":
        print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say that A beats B if you fixed the number of seeds and the threshold
# beforehand, paired what could be paired, and the interval of the difference
# leaves no doubt. You may say “undecided”. You may not say that a gain is real
# because a seed was set, because it has a decimal, or because one run was ahead.
# Where the effect is large, one run shows it too, as on the second task; you only
# know that it is large once you have looked at more than one. And sharing the seed
# saved runs on digits, none on the second task. Pair anyway: it costs next to
# nothing, and the interval itself says what it was worth. (Where an interval in
# the ledger reaches above 1, that is a limit of Student's $t$, which does not know
# that a share ends there.)
#
# **Where to go next.** From here on every lecture uses these tools: paired seeds,
# intervals of differences, five words. Exercise {{exercise}} lets you referee a report with
# one run for each arm.
#
# **References.**
#
# - C. Nadeau, Y. Bengio: *Inference for the generalization error*, Machine Learning
#   52, 2003.
# - X. Bouthillier et al.: *Accounting for variance in machine learning benchmarks*,
#   MLSys 2021.
# - A. Gelman, F. Tuerlinckx: *Type S error rates for classical and Bayesian single
#   and multiple comparison procedures*, Computational Statistics 15, 2000.
