# %% [markdown]
# # Improving Performance
#
# An interactive course on making neural networks work *better*: learning curves,
# batch normalization, dropout, regularization, data augmentation and
# hyperparameter tuning.
#
# After it you can
#
# - **tell** from a curve what holds a network back, and what would help;
# - **use** batch norm, dropout, penalties and augmentation where they pay, and
#   leave them out where they do not;
# - **search** hyperparameters without fooling yourself;
# - **say** “A is better than B” only when it is, with an interval.
#
# You should be able to build, compile and fit a small network in Keras.

# %% [markdown]
# ## “Batch norm makes training ten times faster”
#
# So people say. Here is what was measured when this course put it on trial: how
# many times fewer *training steps* a network needs with batch norm than without
# it, each at the learning rate that suits it best. The bars are 95 % confidence
# intervals. Do they come near what the sentence claims?

# %%
from course_utils import claims

_ = claims.picture("bn-ten-times-faster")

# %% [markdown]
# Batch norm does need fewer steps, but by a factor of about four rather than ten,
# and by even less on a second task. Steps are not time: a step with batch norm takes
# longer, so the gain in time is smaller still. Many popular sentences fare like this
# one, some far worse, and some hold. We chose the claims, the conditions, and the
# thresholds ourselves, so these counts do not say how often popular sentences are
# true in general. You will put them on trial yourself:

# %%
claims.summary()

# %% [markdown]
# ## Networks that train while you move a slider
#
# Every lecture has a *lab*. In most labs, moving a control trains ten or more
# networks again. In the lab below, ten networks learn what an emoji shows, from the
# features of a network that was trained on more than a million photos. On the left,
# they classify new drawings by the artist they learned from; on the right, they
# classify drawings by another artist. Each row is a true class, and each column is a
# predicted class. Pictures with an orange frame are those that most of the networks
# misclassify. Lectures 08 to 10 come back to this example.

# %%
from course_utils import labs

labs.emoji()

# %% [markdown]
# ## Is everything there?
#
# Run the next cell (Shift+Enter). It prints one line for each thing the course
# needs. A ✗ says what to do.

# %%
from course_utils import environment

environment.check()

# %% [markdown]
# The lectures have controls to play with. Move this one: the number has to follow.
# If no slider appears, close JupyterLab, run `make lab` again and open this
# notebook anew.

# %%
environment.slider()

# %% [markdown]
# ## Is this course for you?
#
# Five questions about what it builds on. Choose an answer; it opens and says what to
# think of it. If you are right in four of them, begin.

# %%
from IPython.display import display

from course_utils import quiz

for question in ("kernel", "start", "step", "validation", "axis"):
    display(quiz.ask("00", question))

# %% [markdown]
# ## How the course works
#
# **Every claim is put on trial.** “Batch norm trains ten times faster”: you will
# hear such sentences. Each lecture states one or more, lets you predict, and then
# measures: at least ten runs with different seeds, in pairs, and the 95 %
# confidence interval of the *difference*. A claim has a threshold that was fixed
# before the seeds of its trial were run:
#
# | verdict | the interval lies |
# |---|---|
# | ✓ holds | above the threshold |
# | · holds in part | below the threshold, and wholly above “no effect” |
# | ✗ does not hold | below the threshold, and it includes “no effect” |
# | ⇄ reverses | wholly on the other side of “no effect” |
# | · undecided | across the threshold |
#
# **A hundred networks at once.** One run proves nothing, and a hundred would take
# minutes. `fit_many` trains all of them in one go:

# %%
import numpy as np

from course_utils import datasets, fit_many, models

runs = fit_many(models.mlp, datasets.digits(), epochs=8, grid={
    "learning_rate": np.logspace(-3, 0, 10), "seed": range(10)})

# %% [markdown]
# Those were a hundred trainings of a network with three hidden layers. Here they
# are: the mean over ten seeds, and how sure one may be of it.

# %%
from course_utils import plots

_ = plots.lines(runs.val_accuracy.isel(epoch=-1), "learning_rate",
                  title="The learning rate decides, and 0.1 is about right")

# %% [markdown]
# How much faster than a loop of `model.fit` that is was measured once, side by
# side on two cores:

# %%
from course_utils.tools import measured

print(measured.ratio("sweep_warm"))
print(measured.ratio("sweep_cold"))

# %% [markdown]
# **Predict first.** Questions like this one stand before the experiments.

# %%
quiz.ask("00", "seeds")

# %% [markdown]
# **The test set is opened once.** Training data train, validation data choose,
# and the test set is opened at the very end. Open it twice in one notebook, and
# it says so.
#
# **Nothing is downloaded.** All data ship with scikit-learn or are generated.

# %% [markdown]
# ## The lectures
#
# How long a lecture takes you, how long its cells run without you on two fast and on
# two slow cores, and the number of the exercise that goes with it:
#
# <!-- lectures: written by `course build` -->
#
# |  | lecture | self-study (estimate) | exercise |
# | --- | --- | --- | --- |
# | [01](01_learning_curves.ipynb) | Learning curves: more data or a better model? | 45 min | 01 |
# | [02](02_training_curves.ipynb) | Training curves: what is wrong with this run? | 60 min | 01 |
# | [03](03_better_or_lucky.ipynb) | Better, or lucky? How many runs before you may say A beats B? | 45 min | 01 |
# | [04](04_normalizing_inputs.ipynb) | Normalizing inputs: why scale, and what exactly? | 45 min | 02 |
# | [05](05_batch_norm_from_scratch.ipynb) | Batch normalization from scratch: what number does the layer output? | 50 min | 02 |
# | [06](06_batch_norm_in_keras.ipynb) | Batch normalization in Keras: which mode, which momentum, which batch? | 50 min | 02 |
# | [07](07_batch_norm_on_trial.ipynb) | Batch normalization on trial: does it do what people say? | 50 min | 02 |
# | [08](08_batch_norm_and_pretrained_networks.ipynb) | Batch norm and pretrained networks: insert, freeze, re-estimate, fold? | 50 min | 02 |
# | [09](09_dropout.ipynb) | Dropout: when does noise pay? | 50 min | 03 |
# | [10](10_weight_regularization.ipynb) | Weight regularization: which brake? | 55 min | 04 |
# | [11](11_data_augmentation.ipynb) | Data augmentation: what may change without changing the label? | 55 min | 05 |
# | [12](12_hyperparameter_search.ipynb) | Hyperparameter search: how do I search without fooling myself? | 60 min | 06 |
# | [13](13_search_at_scale.ipynb) | Search at scale: how far does a laptop get, and what needs a cluster? | 75 min | 06 |
# | [A1](A1_a_hundred_networks_at_once.ipynb) | A hundred networks at once: how does `fit_many` work? | 40 min |  |
# | [A2](A2_why_batch_norm_works.ipynb) | Why does batch normalization work: gradients, shift or smoothness? | 50 min |  |
# | [A3](A3_what_to_expect.ipynb) | What can you expect on your own data? | 20 min |  |
# | [A4](A4_more_on_training.ipynb) | What else happens in training? | 40 min |  |
# | [template](template_own_data.ipynb) | Your own data: does a network beat a simple model? | 45 min |  |
#
# <!-- end -->
#
# Four more pages go with the lectures:
#
# - [What's wrong with my network?](whats_wrong.md) lists what people complain about,
#   what it usually means, and how to find out.
# - [The data sets](data.md) shows each data set, its license, and what can go wrong
#   when you draw conclusions from it.
# - [Pretrained networks](pretrained_networks.md) shows how to use them, with and
#   without internet access.
# - The annotated [reading list](reading_batch_normalization.md) is about batch
#   normalization.

# %% [markdown]
# ## The ledger
#
# What people claim, and what was measured when every claim was tried again with other
# seeds, and on a second task (which of ten tones sounds in a noise? Where it is
# another one, it is named). Each interval is a plain 95% interval; with this many of
# them, some will miss the true effect by chance. Many trials use the same split of
# the data for all seeds, and their verdicts apply to those images.

# %%
claims.ledger()
