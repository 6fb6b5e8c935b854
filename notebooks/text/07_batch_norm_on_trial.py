# ---
# jupyter:
#   course:
#     minutes: 50
#     exercise: "02"
#     lab: batch_norm
# ---

# %% [markdown]
# # Batch normalization on trial: does it do what people say?
#
# After this lecture you can
#
# - **state** what batch normalization is said to do, as claims with a number;
# - **design** a comparison that is fair: paired seeds, each arm at its own best
#   learning rate, a threshold fixed before you look;
# - **tell** which claims hold, which hold in part, and which fail, with the
#   interval of the difference;
# - **recognize** the three ways in which a figure about batch norm misleads.
#
# You need about {{minutes}} minutes. It builds on lectures 03 (intervals of a difference)
# and 05 (the layer itself). Nothing is downloaded.

# %% [markdown]
# ## The claims
#
# You will read, in papers, courses and blog posts, that batch normalization
#
# 1. allows much higher learning rates;
# 2. makes training ten times faster;
# 3. makes you independent of initialization, and deep sigmoid networks trainable;
# 4. prevents overfitting;
# 5. turns a network that hardly learns into one that does (the famous picture);
# 6. makes the order of the training samples irrelevant.
#
# The first four go back to one paper (Ioffe & Szegedy 2015), which words them more
# carefully than they are repeated. The last two are told in classrooms. Each will be
# tried here, on handwritten digits, over at least ten seeds. Some hold. Some fail in
# a way that is worth knowing.

# %% [markdown]
# ## Predict first
#
# Commit yourself before you run anything. A wrong prediction is the best
# preparation for seeing the figure.

# %%
from course_utils import quiz

quiz.ask("07", "rates")

# %% [markdown] tags=["instructor"]
# **Ask** with a drawing: everyone sketches both curves, accuracy against the
# learning rate, on a logarithmic axis. “Only at high rates” is the picture to
# wait for. Keep the sketches for the figure of trial 1; three minutes.

# %% [markdown]
# ## The idea
#
# A layer computes $z = xW + b$ for a batch of $N$ samples: $z$ has shape
# $(N, D)$. Batch normalization takes each of the $D$ columns, subtracts its mean
# over the batch and divides by its standard deviation:
#
# $$\hat z_{nd} = \frac{z_{nd} - \mu_d}{\sqrt{\sigma_d^2 + \varepsilon}},
# \qquad y_{nd} = \gamma_d \hat z_{nd} + \beta_d .$$
#
# $\mu_d$ and $\sigma_d^2$ belong to *this batch*; $\gamma_d$ and $\beta_d$ are
# learned. At inference there may be no batch, so Keras keeps running averages of
# $\mu$ and $\sigma^2$ and uses those. Its argument `momentum` is the share of the old
# average that stays when a new batch comes in. Remember that: one of today's traps
# is there.
#
# The data first. `Split` holds training and validation images, and a test set
# that we leave closed.

# %%
from course_utils import datasets

digits = datasets.digits(seed=0)
digits

# %% [markdown]
# The network is an ordinary Keras model; `batch_norm=True` puts a
# `BatchNormalization` between each `Dense` layer and its activation. Two things
# to look for in the summary: the `Dense` layers have no bias (the normalization
# would subtract it again), and each normalization has four numbers per unit.

# %%
from course_utils import models

models.mlp(batch_norm=True, depth=1).summary(line_length=72)

# %% [markdown]
# One training, as you would write it. `keras.utils.set_random_seed` fixes the
# initial weights; another seed gives another network and another accuracy.

# %%
import keras

keras.utils.set_random_seed(0)
model = models.mlp(batch_norm=True)
model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"],
              loss="sparse_categorical_crossentropy")
history = model.fit(digits.x_train, digits.y_train, epochs=3, verbose=0,
                    validation_data=(digits.x_val, digits.y_val))
print([f"{accuracy:.2f}" for accuracy in history.history["val_accuracy"]])

# %% [markdown]
# That is *one* run at *one* learning rate. From here on we train hundreds, with
# `fit_many`: the same Keras model, the same steps as `model.fit`, all runs of a
# grid at once (appendix A1 will show how).

# %% [markdown]
# ## The lab
#
# Every change trains ten seeds of both networks; the bands are 95% intervals. It takes
# a few seconds to open the lab or to change the network itself, and about one second to
# change anything else. Below the lab are three things to try.

# %%
from course_utils import labs

labs.batch_norm(learning_rate=0.3)

# %% [markdown] tags=["instructor"]
# **Try this, answered.** The network without batch norm fails first, and not all of
# its runs fail at once: the band widens, and then every run is at chance. Both
# changes of the initial-weight scale hurt it far more than the network with batch
# norm. With six sigmoid layers, no higher learning rate saves it. **Time:** Opening
# the lab and changing the depth or the activation takes a few seconds, so open it
# while you talk about the formula.

# %% [markdown]
# ## Trial 1: higher learning rates
#
# Here is the whole experiment, as it will run. `RATES` are seventeen learning
# rates from 0.001 to 10, a quarter of a decade apart; `BOTH` stands for the two
# arms, the one with batch norm and a momentum of 0.9.

# %%
from course_utils import claims

higher = claims.get("bn-higher-rates")
higher.code()

# %%
seeds = range(higher.seeds)
rates = higher.trial(datasets.digits, seeds)

# %% [markdown]
# In the figure, look at where each curve leaves the floor on the left, and where
# it falls on the right. The bands are 95 % intervals of the mean over the seeds.

# %%
from course_utils import plots

_ = plots.lines(rates.val_accuracy.isel(epoch=-1), "learning_rate",
                  by="batch_norm",
                  title="Batch norm learns at lower and at higher rates")

# %% [markdown] tags=["instructor"]
# **The figure not to skip;** five minutes with the sketches. Point at the
# floor on the left, where the normalized curve leaves it earlier; then at the
# cliffs on the right; last at the tops, which nearly touch. All that follows
# is in this picture. **Question:** “So is it better or not?” Wider, not
# higher: say which of the two you mean.

# %% [markdown]
# The range is wider at both ends, and in between the curves nearly touch. How
# much higher may the rate be, and by how much does the range grow? For each
# seed, take the largest rate that still reaches 90 %, and count the decades that
# do. Then take the difference between the arms, seed by seed.

# %%
wider = claims.get("bn-wider-range")
verdicts = [higher.judge(rates)]
verdicts[-1]

# %%
verdicts.append(wider.judge(rates))
verdicts[-1]

# %% [markdown]
# ## Trial 2: ten times faster
#
# Faster than what, and measured how? Three decisions can each produce the answer
# you want:
#
# - **the learning rate**: one rate for both suits one of them; here each arm gets
#   the rate that was best *for it*, chosen on two other seeds;
# - **the yardstick**: epochs are too coarse for a network that learns in one; we
#   evaluate every four steps;
# - **the mode of evaluation**: with Keras's default `momentum=0.99` the running
#   averages need some hundred steps to warm up, however good the weights are.

# %%
quiz.ask("07", "faster")

# %%
faster = claims.get("bn-ten-times-faster")
speed = faster.trial(datasets.digits, range(faster.seeds))

# %% [markdown]
# The normalized network, evaluated three ways, beside the plain one, and each row at
# the learning rate that is best for it: which of the four would you call the speed of
# *training*?

# %%
from course_utils import stats
from course_utils.claims.batch_norm import steps_at_best_rate

steps = steps_at_best_rate(speed)
ax = plots.intervals(
    {f"{arm}, to {goal:.0%}": stats.interval(
        steps.sel(arm=arm, goal=goal))
     for goal in (0.9, 0.95) for arm in speed.arm.values},
    xlabel="steps, each arm at its own best learning rate",
    title="Most of the gain hides behind a cold running average")

# %% [markdown] tags=["instructor"]
# **Ask** which of the four rows is the speed of training. At one rate “momentum
# 0.99” and “momentum 0.9” are the same training, looked at through two
# different averages; in the figure each has its own best rate. Whoever has read
# that batch norm does not help may have measured the first.

# %% [markdown]
# With momentum 0.99 batch norm seems to help little; with 0.9, or with the
# statistics of the validation batch itself, much more. Training never uses the running
# averages, so at one rate the weights of the three are the same, step by step. What
# makes the row of momentum 0.99 slow is its averages, not its training.

# %%
verdicts.append(faster.judge(speed))
verdicts[-1]

# %% [markdown]
# Fewer steps, but not ten times fewer. How far does this verdict reach? To networks and
# data like these: about a thousand images of 8 × 8 pixels, on which the normalized
# network is there after some twenty steps. The 14 of the paper is another measurement:
# the steps to the accuracy of an Inception network on ImageNet, with other changes made
# along with batch norm. It is not refuted here. And at the *same* rate for both? The
# answer depends on the rate you happen to pick. A run that never got to 90 %
# counts with its last step, so the factor is a lower bound where the plain
# network fails.

# %%
same = speed.steps.sel(goal=0.9)
factor = same.sel(arm="plain") / same.sel(arm="momentum 0.9")
ax = plots.lines(factor.rename("times fewer steps to 90 %"),
                   "learning_rate",
                   title="Pick the rate, and you pick the speed-up")
_ = ax.set(xlabel="learning rate, the same for both")

# %% [markdown] tags=["instructor"]
# **Ask** for the speed-up of batch norm, in one number, and take several
# answers from this curve. They are all correct readings. This is the lesson
# about comparisons at a common rate, and it returns in lectures 09 and 12.

# %% [markdown]
# Does a step with batch norm also take longer than one without? Both were
# timed side by side in one run. Where the interval includes 1, no difference
# was found; the overhead of `model.fit` may hide it.

# %%
from course_utils.tools import measured

print(measured.ratio("bn_step_keras"))
print(measured.ratio("bn_step_fit_many"))

# %% [markdown]
# ## Trial 3: initialization and depth
#
# Multiply all initial weights of a six-layer network by a factor from 0.05 to 4.
# He initialization, the default of `models.mlp`, is the factor 1.

# %%
careless = claims.get("bn-initialization")
scales = careless.trial(datasets.digits, range(careless.seeds))
_ = plots.lines(scales.val_accuracy.isel(epoch=-1), "initial_scale",
                  by="batch_norm",
                  title="Batch norm forgives a wrong initial scale")

# %% [markdown]
# These are five epochs, at the better of two learning rates. In them the plain network
# gets somewhere only in a narrow window around the scale it was designed for. The
# normalized one learns everywhere, if less at the ends. On the second task the gain is
# much smaller; the ledger below shows it.

# %%
verdicts.append(careless.judge(scales))
verdicts[-1]

# %% [markdown]
# And depth: six layers of sigmoid units, in which gradients are said to vanish. Again
# five epochs, at the better of two rates, 0.1 and 0.3.

# %%
sigmoid = claims.get("bn-deep-sigmoid")
deep = sigmoid.trial(datasets.digits, range(sigmoid.seeds))
_ = plots.lines(deep.val_accuracy, "epoch", by="batch_norm",
                  title="Five epochs, six sigmoid layers: batch norm learns")

# %% [markdown] tags=["instructor"]
# **Be fair to the layer:** this and the figure before are claims that hold on
# digits, within five epochs, by a wide margin. After many refuted sentences it
# is easy to conclude that batch norm does nothing; show both figures. Then show
# the second task in the ledger, where both gains are much smaller and the
# claims hold only in part.

# %%
verdicts.append(sigmoid.judge(deep))
verdicts[-1]

# %% [markdown]
# ## Trial 4: overfitting
#
# First few images: 64 of them, others for every seed. Then plenty of images, but
# 30 % of the labels wrong. Predict the second.

# %%
quiz.ask("07", "noise")

# %% [markdown] tags=["instructor"]
# **Ask.** “Its noise acts like dropout” can be read everywhere. In the next
# figure point at the left panel first: past the share of right labels the
# network learns wrong ones by heart, and the normalized one gets there sooner.
# Then ask whether the comparison is fair. It is not yet: one rate for both; the
# intervals below mend that, at lower rates, where the fall of the right panel
# is gone.

# %%
few = claims.get("bn-few-images")
noisy = claims.get("bn-wrong-labels")
few_images = few.trial(datasets.digits, range(few.seeds))
wrong_labels = noisy.trial(datasets.digits, range(noisy.seeds))

# %% [markdown]
# Before the intervals, look at what goes on with wrong labels, in both networks at
# the same learning rate: accuracy on the noisy training labels (left) and on clean
# validation images (right). Who learns the digits and no wrong label by heart
# cannot get past 70 % on the left.

# %%
from course_utils import fit_many

same_rate = fit_many(models.mlp, digits, epochs=20, grid={
    "batch_norm": [False, True], "momentum": 0.9, "learning_rate": 0.1,
    "label_noise": 0.3, "seed": range(10)})
figure, (left, right) = plots.panels(2)
_ = plots.lines(same_rate.accuracy, "epoch", by="batch_norm",
                  title="It learns wrong labels by heart …", ax=left)
_ = plots.lines(same_rate.val_accuracy, "epoch", by="batch_norm",
                  title="… and gets worse at the digits", ax=right)

# %% [markdown]
# The normalized network is ahead at first, on both sides. Then, on the left, it
# climbs past 70 %, and on the right its accuracy falls from epoch to epoch. It
# learns faster, and wrong labels too. But one rate for both is no fair comparison:
# a lower one would suit it better. So now each at the rate that was best for it of
# three, on other seeds, in both settings. The number of epochs stays fixed, and nobody
# stops early.

# %%
verdicts += [few.judge(few_images), noisy.judge(wrong_labels)]
_ = plots.intervals(
    {"64 images": verdicts[-2], "30 % wrong labels": verdicts[-1]},
    threshold=few.threshold, neutral=0,
    xlabel="validation accuracy gained by batch norm",
    title="No protection against overfitting here")
print(*verdicts[-2:], sep="\n")

# %% [markdown]
# The second row is not the figure above once more. At the lower rate that was chosen
# for it, the normalized network no longer loses accuracy from epoch to epoch as it does
# there. It is behind at the end all the same; with so few epochs, part of that may be
# the low rate. And on the second task batch norm even gained with wrong labels: the
# ledger below.
#
# And the generalization gap, training minus validation accuracy:

# %%
for name, runs in {"64 images": few_images,
                   "30 % wrong labels": wrong_labels}.items():
    gap = (runs.accuracy - runs.val_accuracy).isel(epoch=-1)
    more = stats.paired_difference(gap, "batch_norm",
                                   between=(False, True))
    print(f"{name}: the gap grows by {more['mean']:+.3f} "
          f"[{more['low']:+.3f}, {more['high']:+.3f}] with batch norm")

# %% [markdown]
# ## Trial 5: the famous picture
#
# Many courses have it: one network without batch norm that barely learns, the
# same with batch norm that shines. Let us build it as it is usually built:
# sigmoid units, pixels from 0 to 16 left unscaled, small random initial weights,
# a learning rate of 0.01, one seed. (The usual network is 512 units wide; ours
# has 64, with initial weights scaled so that the layers pass on as much.)

# %%
def exhibit(norm):
    return models.mlp(activation="sigmoid", momentum=0.9,
                      kernel_initializer="random_normal",
                      batch_norm=norm != "plain",
                      norm_position="after" if norm == "after" else "before")


unscaled = digits.replace(x_train=16 * digits.x_train,
                          x_val=16 * digits.x_val)
famous = fit_many(exhibit, unscaled, epochs=6, grid={
    "norm": ["plain", "before", "after"], "initial_scale": 8**0.5,
    "learning_rate": [0.01, 0.1, 0.3, 1.0], "seed": range(10)})

# %%
names = {"plain": "plain", "before": "batch norm before the sigmoid",
         "after": "batch norm after the sigmoid"}
ax = plots.axes()
for norm in ("plain", "after"):
    curve = famous.val_accuracy.sel(norm=norm, learning_rate=0.01, seed=0)
    ax.plot(curve.epoch, curve, label=names[norm])
ax.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
ax.set_title("One seed, one learning rate: a miracle")
_ = ax.legend()

# %% [markdown] tags=["instructor"]
# **Play it straight:** show the picture, let the class admire it, ask who would
# put it on a slide. Then the next figure, where the same networks stand at
# other rates. The reversal is that of the layer *after* the sigmoid; point out
# that the one before it stays ahead. Ask what a referee should have asked for.
# **Short of time:** trial 1, trial 4 and this one make a good half lecture.

# %% [markdown]
# Convincing, isn't it? Now the same experiment with ten seeds, at other learning
# rates, and with the normalization placed before or after the activation.

# %%
_ = plots.lines(famous.val_accuracy.isel(epoch=-1), "learning_rate",
                  by="norm", labels=names,
                  title="After the sigmoid, batch norm fails at high rates")

# %% [markdown]
# Left, the famous picture. Right, its reversal, but for one placement only: the plain
# network trains well, and the one with batch norm *after* the activation falls
# behind. With batch norm *before* it, where the paper puts it and this course too,
# nothing reverses: that network is ahead at all four rates, though by little at 0.3.
# Who may choose the rate and the place can show either picture. And in a network as
# one would build it today, with ReLU, He initialization and scaled inputs?

# %%
famous_claim = claims.get("bn-famous-picture")
modern = famous_claim.trial(datasets.digits, range(famous_claim.seeds))
verdicts.append(famous_claim.judge(modern))
verdicts[-1]

# %% [markdown]
# ## Trial 6: the order of the samples
#
# The training images, shuffled in every epoch, and sorted by class: first all
# zeros, then all ones. Does a normalized network stop minding?

# %% [markdown] tags=["instructor"]
# **Ask** first what a batch of nothing but zeros has for a mean. The claim
# says that order stops mattering; here it matters more with the layer than
# without. How much of that is damage to training, and how much to the running
# averages, the trial does not tell. So shuffle. **Homework:** 2.9, 2.10 and 2.13.

# %%
order = claims.get("bn-sample-order")
ordered = order.trial(datasets.digits, range(order.seeds))
final = ordered.val_accuracy.isel(epoch=-1)
_ = plots.intervals(
    {f"{plots.value_label('batch_norm', b)}, {plots.value_label('shuffle', s)}":
     stats.interval(final.sel(batch_norm=b, shuffle=s))
     for s in (True, False) for b in (False, True)},
    xlabel="validation accuracy, each at its own best rate",
    title="Batch norm suffers more from sorted data, not less")

# %%
verdicts.append(order.judge(ordered))
verdicts[-1]

# %% [markdown]
# The opposite of the claim: sorting costs the normalized network more than the plain
# one. Two things can go wrong here, and this trial does not tell them apart. A batch of
# nothing but zeros has other means than the data, so the layer is trained on statistics
# that no mixed batch will have. And the running averages, with momentum 0.9, describe
# the last classes when the network is evaluated. **Shuffle, and with batch norm above
# all.**

# %% [markdown]
# ## What goes wrong
#
# **“My validation curve is broken.”** Train for two epochs with Keras's default
# momentum and compare training and validation accuracy.

# %%
knobs = {"batch_norm": True, "learning_rate": 0.1, "seed": range(10)}
cold = fit_many(models.mlp, digits, {**knobs, "momentum": 0.99},
                epochs=2, batch_statistics=True).isel(epoch=-1).mean("seed")
print(f"training                {cold.accuracy:.2f}")
print(f"validation              {cold.val_accuracy:.2f}")
print(f"with batch statistics   {cold.batch_val_accuracy:.2f}")

# %% [markdown]
# Nothing is broken: after so few steps a running average with momentum 0.99
# still consists in large part of its initial value. The last line shows what the
# weights can do. Mended by a momentum that suits the number of steps:

# %%
warm = fit_many(models.mlp, digits, {**knobs, "momentum": 0.9},
                epochs=2).isel(epoch=-1).mean("seed")
print(f"validation              {warm.val_accuracy:.2f}")

# %% [markdown]
# **“We compared both at the same learning rate.”** From the runs of trial 1, the
# accuracy gained by batch norm if the comparison is made at one common rate:

# %%
final = rates.val_accuracy.isel(epoch=-1)
gain = stats.paired_difference(final, "batch_norm",
                               between=(False, True))
for rate in (0.01, 0.1, 1.0):
    at = gain.sel(learning_rate=rate, method="nearest")
    print(f"rate {rate:4}: {at['mean']:+.3f} "
          f"[{at['low']:+.3f}, {at['high']:+.3f}]")

# %% [markdown]
# Three rates, three findings, each with a narrow interval. Mended by giving each
# arm its own best rate, chosen on other seeds: that is the verdict of trial 5.
#
# **“The interval says so.”** It speaks for *this* data set, *this* network, *this*
# budget. The ledger below shows every trial again with other seeds, and on a
# second task, which of ten tones sounds in a noise. Not every verdict agrees.

# %% [markdown]
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts:
    if verdict.claim.key not in ("bn-higher-rates", "bn-wider-range"):
        print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: in small networks on these two tasks, batch norm widens the range of
# learning rates and initial scales at which a network learns in a few epochs, and
# saves steps once its averages are warm, on digits far more than on tones. You may
# not say that it made training ten times faster here, that it prevents overfitting,
# that every network needs it in order to learn, or that it makes shuffling
# unnecessary. And where a trial here and its re-trial on digits disagree, as they do
# for few images, or where the second task shows the opposite sign, as it does for
# wrong labels, you may claim nothing in general.
#
# **Where to go next.** Lecture 08 puts batch norm into networks that are trained
# already. Appendix A2 asks *why* the layer works. Exercise {{exercise}} lets you write it
# yourself and referee a published-looking figure.
#
# **References.**
#
# - S. Ioffe, C. Szegedy: *Batch normalization: accelerating deep network training
#   by reducing internal covariate shift*, ICML 2015.
# - S. Santurkar, D. Tsipras, A. Ilyas, A. Madry: *How does batch normalization help
#   optimization?*, NeurIPS 2018.
# - J. Bjorck, C. Gomes, B. Selman, K. Weinberger: *Understanding batch
#   normalization*, NeurIPS 2018.
