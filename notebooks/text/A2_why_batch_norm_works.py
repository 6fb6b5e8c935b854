# ---
# jupyter:
#   course:
#     minutes: 50
# ---

# %% [markdown]
# # Why does batch normalization work: gradients, shift or smoothness?
#
# After this appendix you can
#
# - **tell** which gradients batch norm mends, and which it breaks;
# - **explain** the experiment that put “internal covariate shift” on trial,
#   and **say** what it can and cannot show;
# - **measure** how smooth a loss is along its gradient, and **spot** when such
#   a measurement misleads;
# - **separate** what batch norm gives at one learning rate from what it gives
#   at the best one.
#
# You need about {{minutes}} minutes. It builds on lectures 05 and 07. Nothing is
# downloaded.

# %% [markdown]
# ## The claims
#
# That batch norm helps, and where, was the subject of lecture 07. *Why* it
# helps is told in many ways:
#
# 1. “It cures vanishing gradients.”
# 2. “It prevents exploding gradients.”
# 3. “It works because it reduces internal covariate shift.” The first paper
#    has this in its title.
# 4. “It gives better accuracy.” More a hope than a reason, but where the
#    reasons are supposed to lead.
#
# ## Predict first

# %%
from course_utils import quiz

quiz.ask("A2", "deep")

# %% [markdown] tags=["instructor"]
# **Ask.** “Much smaller without” is the picture for sigmoid layers, the better
# known one. Remind the class what He initialization was made for, and leave
# the rest to the figure of the deep network.

# %% [markdown]
# ## Gradients, layer by layer
#
# Backpropagation is a product. With $z_l = a_{l-1} W_l$ and
# $a_l = \varphi(z_l)$, all of shape $(N, D)$, the gradient by $z_{l-1}$ is
#
# $$\delta_{l-1} = (\delta_l W_l^\top) \odot \varphi'(z_{l-1}) .$$
#
# Each layer multiplies its size by some factor, and depth raises that factor
# to a power. A sigmoid has $\varphi' \le 1/4$; and weights that are $s$ times
# too large multiply by $s$ each time. Look at that power:

# %%
for factor in (0.3, 0.8, 1.0, 1.2, 3.0):
    print(f"factor {factor}: after 8 layers {factor**8:10.4f}, "
          f"after 32 {factor**32:.1e}")

# %% [markdown]
# Anything but one is soon nothing or far too much. Batch norm enters twice. On
# the way up it makes the scale of $W$ irrelevant. On the way down it divides
# by the same $\sigma$ that it divided by on the way up:
#
# $$\delta_z = \frac{\gamma}{\sigma}\Bigl(\delta_y - \overline{\delta_y}
# - \hat z\,\overline{\delta_y \hat z}\Bigr), \qquad
# \text{bars are means over the batch.}$$
#
# `numpy_nets` computes loss and gradients of ten networks side by side in NumPy
# (with the `forward` and `backward` of lecture 05). Eight layers of 64 units,
# nothing trained yet: sigmoid units, then ReLU with initial weights of 0.3
# times and 3 times He's size. Look at how each line runs from the last layer,
# on the right, to the first.

# %%
import numpy as np
import xarray as xr

from course_utils import datasets, plots
from course_utils.experiments import numpy_nets

digits = datasets.digits(seed=0)


def both(**network):
    arms = [numpy_nets.gradient_norms(digits, range(10), batch_norm=norm,
                                   **network) for norm in (False, True)]
    norms = xr.concat(arms, xr.Variable("batch_norm", [False, True]))
    with np.errstate(divide="ignore"):     # a dead network has a norm of 0
        return np.log10(norms).rename("gradient norm, powers of ten")


# %%
cases = {"Sigmoid": {"activation": "sigmoid"}, "ReLU, weights × 0.3":
         {"initial_scale": 0.3}, "ReLU, weights × 3": {"initial_scale": 3.0}}
figure, panels = plots.panels(3)
figure.suptitle("With batch norm gradients are neither minute nor huge")
for ax, (name, case) in zip(panels, cases.items(), strict=True):
    start = both(depth=8, **case).isel(step=0)
    _ = plots.lines(start, "layer", by="batch_norm", title=name, ax=ax)
    _ = ax.set(ylim=(-5.5, 4.5))

# %% [markdown] tags=["instructor"]
# **Point at** the direction first: read from right to left, from the last
# layer to the first. On the left the plain line falls by the same factor in
# each layer. In the middle and on the right it is level, but far too low or
# far too high. Then ask for one sentence that fits all three normalized lines:
# neither minute nor huge, though the two of ReLU rise about fourfold.

# %% [markdown]
# Left, the plain network's gradient vanishes on its way to the first layer, by
# the same factor in each. In the middle and on the right all plain gradients
# are minute, or huge, alike: each lacks, or has too much of, seven other
# layers. With batch norm none of that happens in eight layers; but with ReLU
# the lines do rise, about fourfold, on their way to the first layer. (The
# middle one lies higher than the right one: the gradient goes with one over
# the scale of the weights, as you saw at the end of lecture 06.) Does training
# mend the plain ones? The medians after thirty steps at rate 0.1:

# %%
for name, case in cases.items():
    later = both(depth=8, steps=[30], **case).isel(step=0, layer=[0, -1])
    for norm, arm in {False: "plain", True: "batch norm"}.items():
        first, last = later.sel(batch_norm=norm).median("seed", skipna=False)
        print(f"{name:20} {arm:11}", "diverged" if np.isnan(first) else
              f"first layer 10^{first:.1f}, last 10^{last:.1f}")

# %% [markdown]
# It does not: the first two are about where they were, and the third has
# diverged. With batch norm nothing of the kind happens.
#
# ### And in a deep network?
#
# Now 32 ReLU layers, properly initialized, with nothing wrong to begin with.
# Left as above; right the normalized networks again, at the start, after one
# step of gradient descent, and after thirty.

# %%
figure, (left, right) = plots.panels(2)
looks = [0, 1, 30]
deep = both(depth=32, steps=looks)
_ = plots.lines(deep.sel(step=0), "layer", by="batch_norm", ax=left,
                  title="With batch norm it explodes at first …")
_ = plots.lines(deep.sel(batch_norm=True), "layer", by="step", ax=right,
                  labels={0: "at the start", 1: "after one step",
                          30: "after 30 steps"},
                  title="… and training calms it down")

# %% [markdown] tags=["instructor"]
# **The figure not to skip.** Ask which line is the normalized one before
# anybody reads the legend. It is the one that climbs on its way down to the
# first layer, and no initialization can mend it: in the formula below the
# weights cancel. Then the right panel: it does not last. **Question:** “So why
# do deep networks train with it?” After a few steps it is calm, and they have
# skip connections besides.

# %% [markdown]
# The plain line is the level one. With batch norm the gradient grows by a
# constant factor in each layer. This was predicted (Yang et al. 2019), and for
# ReLU you can do it in your head. A standard normal $z$ gives $a = \max(z, 0)$
# with $\overline{a^2} = 1/2$ and $\overline a = 1/\sqrt{2\pi}$, so the
# variance of the next $z$, over the batch, is
# $\sigma^2 = \tfrac12 D s^2 (1 - 1/\pi)$ with weights of variance $s^2$.
# Downward: $D s^2$ from the weights, $1/2$ from the ReLU and $1/\sigma^2$ from
# the normalization. The squared norm is multiplied by
#
# $$\frac{\tfrac12 D s^2}{\tfrac12 D s^2 (1 - 1/\pi)} = \frac{\pi}{\pi - 1} .$$
#
# The weights cancel: no initialization can mend it. How close are ten networks
# of finite width, with finite batches?

# %%
from course_utils import stats

norms = deep.sel(batch_norm=True, step=0)
factor = 10**((norms.sel(layer=5) - norms.sel(layer=25)) / 20)
found = stats.interval(factor)
print(f"theory: × {(np.pi / (np.pi - 1))**0.5:.3f} in each layer")
print(f"here:   × {found['mean']:.3f} [{found['low']:.3f}, "
      f"{found['high']:.3f}]")

# %% [markdown]
# Close to it. (The theory's networks are infinitely wide, and its batches
# large.) And the right panel said that it does not last: one step takes most
# of the explosion away, thirty steps nearly all of it. The same paper reports
# such a fall after a single step.
#
# Now the verdicts: for “vanishing” the sigmoid layers, for “exploding” the
# deep stack. At the start the first claim needs the first layer's gradient to be
# no less than a tenth of the last layer's; the second claim needs the reverse.

# %%
from course_utils import claims

vanishing = claims.get("bnw-vanishing")
exploding = claims.get("bnw-exploding")
sizes = vanishing.trial(datasets.digits, range(vanishing.seeds))
verdicts = [vanishing.judge(sizes)]
verdicts[-1]

# %%
verdicts.append(exploding.judge(sizes))
verdicts[-1]

# %% [markdown]
# One holds, one does not. The explosion that weights too large bring about is
# prevented (that was the right panel of the first figure); another one, which
# was not there before, is caused.
#
# ## Internal covariate shift on trial
#
# When a step changes layer 1, the inputs of layer 2 change their distribution,
# and layer 2 has to learn for inputs that move. Ioffe and Szegedy called this
# *internal covariate shift* and built batch norm to reduce it. Does it? Take
# one batch, make one step, take the same batch again: by how many of its
# standard deviations has the mean of a unit moved, just before its activation?
# Three layers, one epoch, each network at a rate that suits it.

# %%
moves = {"plain": numpy_nets.drift(digits, range(10), steps=33,
                                learning_rate=0.2),
         "batch norm": numpy_nets.drift(digits, range(10), steps=33,
                                     learning_rate=0.5, batch_norm=True)}
for name, moved in moves.items():
    found = stats.interval(moved.mean(["step", "layer"]))
    print(f"{name:10} moves by {found['mean']:.4f} "
          f"[{found['low']:.4f}, {found['high']:.4f}] a step")

# %% [markdown]
# By this measure it does, and it could not be otherwise: after batch norm the
# mean over a batch is $\beta$, whatever the weights are, so only a change of
# $\beta$ can move it. Santurkar et al. (2018) also measured the shift by how
# much a step of the layers below changes a layer's gradient; by that, they
# found it with batch norm “similar, or even worse”. So the one kind of shift
# shrinks, and training is faster. Is that the reason? They asked it the right
# way round: keep the layer, **put the shift back**, and see what happens.
# Behind each batch norm, in training, every unit gets another mean and another
# scale at every step.

# %%
quiz.ask("A2", "shift")

# %% [markdown]
# How much to put back? As much as was taken away: the smallest shift with
# which the inputs move as far as in the plain network, in the mean over steps
# and layers.

# %%
from course_utils.experiments import covariate_shift

shift = covariate_shift.matching_shift(digits, range(90, 92))
noise = {"shift": shift, "stretch": covariate_shift.STRETCH,
         "jitter": covariate_shift.JITTER}
moves["moved"] = numpy_nets.drift(digits, range(10), steps=33,
                               learning_rate=0.5, batch_norm=True, **noise)
together = xr.concat(moves.values(), xr.Variable("arm", list(moves)))
_ = plots.lines(
    together.mean("layer").rename("moved in one step, in sd"), "step",
    by="arm", labels={arm: arm for arm in moves},
    title="Put back: as much shift as in the plain network")

# %% [markdown]
# The lowest line is batch norm as it is; the shift that was put back is at
# least as large as the plain network's own, on average. The layer that adds it
# is a Keras layer like any other; `fit_many` trains it. Four arms, each at its
# own best of three learning rates, chosen on other seeds; the last one is
# moved twice as far. Before you look: where will the lines of the moved
# networks be, near batch norm's or near the plain one's?

# %% [markdown] tags=["instructor"]
# **Tell it as a trial:** the layer reduces the shift, training is faster; is
# the one the reason for the other? Let the class design the experiment before
# you show it: keep the layer, put the shift back. Then ask where the lines of
# the moved networks should lie if the explanation were right. And say what it
# cannot show: random movement is not the one that training makes.

# %%
reduces = claims.get("bnw-shift")
moving = reduces.trial(datasets.digits, range(reduces.seeds))
ax = plots.lines(moving.val_accuracy.sel(step=slice(0, 120)), "step",
                   by="arm", labels={arm: arm for arm in moving.arm.values},
                   title="With the shift put back, still faster than plain")

# %%
verdicts.append(reduces.judge(moving))
verdicts[-1]

# %% [markdown]
# How much of the speed-up goes, if the inputs move that far, and twice as far?

# %%
from course_utils.claims import why_batch_norm_works as why

_ = plots.intervals(
    {arm: stats.interval(why.speed_up_lost(moving, arm))
     for arm in ("moved", "moved twice as far")}, threshold=0.5, neutral=0,
    xlabel="share of batch norm's speed-up that is lost",
    title="Most of the speed-up survives")

# %% [markdown]
# The more you move them the more it costs, as noise will. But a network whose
# inputs move as much as the plain one's keeps most of its speed. So what
# batch norm gains is *mostly not* gained by keeping the inputs still.
#
# What the experiment cannot show: random movement is not the movement that
# training makes; the next gradient step has nothing to do with it. And it does
# not say what the reason is instead.
#
# ## Smoothness along the gradient
#
# A gradient promises how the loss changes in a *small* step. How far can you
# walk before it breaks its word? At some points of a training stop, take the
# gradient $g$ of the present batch, and walk from the weights $w$ to
# $w - r g$, with $r$ up to 3.2. Both networks are trained at rate 0.1.

# %%
reach = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
walks = xr.concat(
    [numpy_nets.along_gradient(digits, range(10), steps=[5, 15, 30, 60, 100],
                            learning_rate=0.1, reach=reach, batch_norm=norm)
     for norm in (False, True)], xr.Variable("batch_norm", [False, True]))

# %% [markdown]
# Left the loss along the walk, from where it started (zero), after 30 steps of
# training; right how much the gradient has changed, as a share of itself: at
# one, the change is as large as the gradient you follow. Where does each loss
# turn up again?

# %%
figure, (left, right) = plots.panels(2)
at = walks.sel(step=30)
change = np.arcsinh(10 * (at.loss - at.here)).rename("change of the loss")
_ = plots.lines(change, "reach", by="batch_norm", ax=left,
                  title="Plain, the loss soon climbs …")
ticks = np.array([-1, -0.1, 0, 0.1, 1, 10, 100])
left.set_yticks(np.arcsinh(10 * ticks), [f"{tick:g}" for tick in ticks])
_ = plots.lines(np.log10(at.turned).rename("change of the gradient"),
                  "reach", by="batch_norm", ax=right,
                  title="… for the gradient soon changes")
right.set_yticks([-1, 0, 1, 2], ["0.1", "1", "10", "100"])
for ax in (left, right):
    ax.set(xscale="log", xlabel="length of the walk, in gradients")

# %% [markdown]
# The normalized network can walk many times as far before its loss rises. Is
# that so all through the training, and over seeds? For each network the
# longest walk with a loss no higher than at its start (the grid doubles, so
# the answer is rough):

# %%
safe = (walks.loss <= walks.here).cumprod("reach").sum("reach")
longest = xr.DataArray(np.array([0.025, *reach])[safe.values], safe.coords,
                       safe.dims, name="longest walk (log scale)")
ax = plots.lines(np.log2(longest / 0.05), "step", by="batch_norm",
                   title="Batch norm allows longer walks at every stage")
ax.set_yticks(range(7), [f"{0.05 * 2**power:g}" for power in range(7)])
ratio = stats.interval(np.log2(longest.sel(batch_norm=True, drop=True)
                               / longest.sel(batch_norm=False, drop=True))
                       .mean("step"))
mean, low, high = (2**float(ratio[part]) for part in ("mean", "low", "high"))
print(f"times as far: {mean:.1f} [{low:.1f}, {high:.1f}]")

# %% [markdown]
# The line printed above has the mean and its interval. That is what Santurkar
# et al. call a smoother landscape: the loss and its gradient change less along
# a step, so a step may be longer. (Where batch norm's line touches the top,
# the true walk is longer still.)
#
# ## The learning rate
#
# If longer steps are what batch norm allows, its benefit should show at high
# learning rates, as Bjorck et al. (2018) found: at a low rate that suits both,
# the arms of their experiment hardly differed. Predict.

# %%
quiz.ask("A2", "rates")

# %%
accurate = claims.get("bnw-accuracy")
runs = accurate.trial(datasets.digits, range(accurate.seeds))
runs = runs.assign_coords(network=["MLP", "CNN"])

# %% [markdown]
# A network of three hidden layers, and one of two convolutions. Look at both
# ends and at the tops of the lines.

# %%
figure, panels = plots.panels(2)
for ax, network in zip(panels, ("MLP", "CNN"), strict=True):
    final = runs.val_accuracy.sel(network=network).isel(epoch=-1)
    _ = plots.lines(final, "learning_rate", by="batch_norm", ax=ax,
                      title=f"{network}: apart at both ends")
    _ = ax.set(ylim=(0, 1.02))

# %% [markdown]
# On the right it is as they say: the plain network fails at a rate that the
# normalized one survives (the CNN does not always). On the left it is *not*:
# at the lowest rate batch norm is ahead again. Is that a better network, or
# one that is just further on? Train the MLP on at low rates, and look at what
# batch norm gains, epoch by epoch.

# %%
from course_utils import fit_many, models

low = fit_many(models.mlp, digits, epochs=50, grid={
    "batch_norm": [False, True], "momentum": 0.9,
    "learning_rate": [0.01, 0.03], "seed": range(10)}).val_accuracy
gain = low.sel(batch_norm=True) - low.sel(batch_norm=False)
ax = plots.lines(gain.rename("accuracy gained by batch norm"), "epoch",
                   by="learning_rate",
                   title="At low rates the plain network is mostly late")
_ = ax.axhline(0, color="0.4", linewidth=1, marker="")

# %% [markdown]
# Most of the gain melts away as training goes on. Equal rates are not equal
# steps: with batch norm the same rate goes further. So “at low rates they
# hardly differ” is nearly true here of where they arrive, and wrong of when.
#
# The best rate for each, chosen on other seeds, at the end of training:

# %%
verdicts.append(accurate.judge(runs))
verdicts[-1]

# %% [markdown]
# ## What goes wrong
#
# **“It has the smaller gradient, so its landscape is smoother.”** Multiply all
# kernels of a normalized network by ten. The network computes what it computed
# before. Here is how far its gradient turns, at the start, on one and the same
# walk:

# %%
for scale in (1, 10):
    walk = numpy_nets.along_gradient(
        digits, range(10), steps=[0], learning_rate=0.1, reach=[0.4],
        initial_scale=scale, batch_norm=True).isel(step=0, reach=0)
    found = stats.interval(walk.turned)
    print(f"kernels × {scale:2}: loss {walk.here.mean():.2f}, gradient turned "
          f"by {found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]")

# %% [markdown] tags=["instructor"]
# **Ask** which of the two networks has the smoother landscape, by the printed
# numbers; then say that they are the same function. A length in weight space
# means nothing here. It is the best warning in the course about measuring a
# thing because it can be measured.

# %% [markdown]
# Same function, same loss; “smoother” by far. A length in weight space means
# nothing for a layer that forgets the scale of its weights: this is lecture
# 06's effective learning rate again. So never compare such numbers alone.
# Compare what they buy: here, how far the *loss* falls at all on the best
# walk.

# %%
falls = (walks.here - walks.loss.min("reach")) / walks.here
for norm, name in {False: "plain", True: "batch norm"}.items():
    found = stats.interval(falls.sel(batch_norm=norm).mean("step"))
    print(f"{name:10} the best walk takes off {found['mean']:.0%} "
          f"[{found['low']:.0%}, {found['high']:.0%}] of the loss")

# %% [markdown]
# The scale of the weights changes the length of the best walk, but hardly what
# it takes off; and this measure says the same.
#
# **“It explains it.”** Smoother, faster: that is two things seen together.
# Nobody here has made a landscape smooth without batch norm, or rough with it.
# The trial of covariate shift was worth more because it changed one thing
# only.
#
# **“It holds in general.”** Look at the second task below.
#
# ## What you may now claim, and what not

# %%
claims.ledger(verdicts)

# %% tags=["nbval-check-output"]
for verdict in verdicts[:2]:
    print(f"{verdict.claim.key}: {verdict.verdict}")

# %% [markdown]
# You may say: batch norm keeps gradients from vanishing, and from exploding by
# badly scaled weights; in very deep plain stacks it makes them explode at the
# start; with it one may walk much further along a gradient. You may say that
# it keeps the means of the activations' inputs still, for that is how it is
# built. You may not say that this is *why* it works: put the shift back, and
# most of the gain stays. And you may not promise accuracy: once each network
# has its own learning rate, little of the gain is left on digits, more on
# tones. (How long that trial trains was settled on these very seeds, to let
# every arm settle. Read it as exploratory.)
#
# **Where to go next.** Lecture 07 has the trials of *what* batch norm does;
# lecture 06 its traps in practice.
#
# **References.**
#
# - S. Ioffe, C. Szegedy: *Batch normalization: accelerating deep network training
#   by reducing internal covariate shift*, ICML 2015.
# - K. He, X. Zhang, S. Ren, J. Sun: *Delving deep into rectifiers: surpassing
#   human-level performance on ImageNet classification*, ICCV 2015.
# - S. Santurkar, D. Tsipras, A. Ilyas, A. Madry: *How does batch normalization help
#   optimization?*, NeurIPS 2018.
# - J. Bjorck, C. Gomes, B. Selman, K. Weinberger: *Understanding batch
#   normalization*, NeurIPS 2018.
# - G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. S. Schoenholz: *A mean
#   field theory of batch normalization*, ICLR 2019.
