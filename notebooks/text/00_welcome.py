# %% [markdown]
# # Improving Performance
#
# *My network trains, but it isn't good enough. What should I change?* This course helps
# you answer that question for your own networks: with learning curves, batch
# normalization, dropout, regularization, data augmentation, and hyperparameter tuning.
#
# By the end, you'll be able to:
#
# - tell from its curves what holds a network back, and what would help;
# - use batch norm, dropout, penalties, and augmentation where they help, and leave them
#   out where they don't;
# - search for hyperparameters without fooling yourself;
# - say “A is better than B” only if the evidence supports it.
#
# You should know how to build, compile, and fit a small network in Keras.

# %% [markdown]
# ## A network that doesn't learn
#
# If you have such a network right now, start with the symptom guide,
# [What's wrong with my network?](whats_wrong.md) Look up what you see, find out in two
# minutes what it means, and follow the link to the lecture that explains it.
#
# ## Networks that train while you move a slider
#
# Every lecture has a *lab*. In most labs, moving a control trains ten or more networks
# again. Here, ten networks learn what an emoji shows, from the features of a network
# that was trained on more than a million photos. On the left, they classify new drawings
# by the artist they learned from; on the right, drawings by another artist. Each row is
# a true class, and each column is a predicted class. Pictures with an orange frame are
# misclassified by most of the networks. This classifier is the course's running example.

# %%
from course_utils import labs

labs.emoji()

# %% [markdown] tags=["instructor"]
# **Let the class predict** what label noise does to each artist's drawings, and then
# move that slider. **People ask** why the right side is worse: the networks have never
# seen the second artist's style. Next, you'll see what the course does with popular
# advice.

# %% [markdown]
# ## Popular advice, measured
#
# *Batch norm allows much higher learning rates.* You'll hear many sentences like this
# one. Some are true, some are false, and most depend on the data. So each lecture takes
# one or more of them, lets you predict, and shows what happened on up to six data sets.
# In the figure, a dot is how many times as high the learning rate can be with batch
# norm, and a bar is its 95% confidence interval. The dashed line is what we required of
# “much higher” before we measured.

# %%
from course_utils import claims

_ = claims.forest("bn-higher-rates")

# %% [markdown]
# This advice is good: on each of these data sets, the whole interval is above the dashed
# line. Whether higher rates also lead to better networks is another question, and
# lecture 07 answers it. The [ledger](../LEDGER.md) lists all claims. We chose them, so
# their results don't tell you how often popular advice is right.
#
# ## Is everything installed?
#
# Run the next cell (Shift+Enter). It prints one line for each thing that the course
# needs. If a line begins with ✗, it says what to do.

# %%
from course_utils import environment

environment.check()

# %% [markdown]
# Now move this slider. The number should follow. If no slider appears, close JupyterLab,
# run `make lab` again, and reopen this notebook.

# %%
environment.slider()

# %% [markdown]
# ## Is this course for you?
#
# Here are five questions about what you should already know. Choose an answer; it opens
# and explains itself. If you get four of them right, you're ready.

# %%
from IPython.display import display

from course_utils import quiz

for question in ("kernel", "start", "step", "validation", "axis"):
    display(quiz.ask("00", question))

# %% [markdown]
# ## A hundred networks, and how to read their results
#
# One run proves little, because another random seed gives another result. The helper
# `fit_many` trains a whole grid of networks at the same time. It returns an
# [xarray](https://docs.xarray.dev) dataset: arrays whose dimensions have names. These
# lines are all that you need to know about it.

# %%
import numpy as np

from course_utils import datasets, fit_many, models

runs = fit_many(models.mlp, datasets.digits(seed=0), {
    "learning_rate": np.logspace(-3, 0, 10), "seed": range(10)}, epochs=8)
accuracy = runs.val_accuracy                       # one variable of the dataset
print(dict(accuracy.sizes))                        # its dimensions and their sizes
final = accuracy.isel(epoch=-1)                    # by position: the last epoch
print(final.sel(learning_rate=0.1, seed=3).item())   # by value: a single run
mean = final.mean("seed")                          # the mean over one dimension
print(mean.idxmax("learning_rate").item())         # where that mean is highest
print(mean.to_series().round(3))                   # as a pandas series

# %% [markdown]
# `sel` takes values, `isel` takes positions, and functions such as `mean` and `max` take
# the name of the dimension that disappears. Next, the same means as a figure. The band is
# a 95% confidence interval.

# %%
from course_utils import plots

_ = plots.lines(final, "learning_rate",
                title="The accuracy depends on the learning rate")

# %% [markdown]
# ## How the course works
#
# - **Predict first.** Before an experiment, a question asks you to commit to an answer.
# - **Compare fairly.** Networks are compared over several seeds, in pairs, with a
#   confidence interval of the *difference*.
# - **Open the test set once.** You train on the training data and choose on the
#   validation data. The test set is only for the very end. If you open it twice, the
#   course warns you.
# - **Work offline.** Almost all data is installed with the course.

# %%
quiz.ask("00", "seeds")

# %% [markdown]
# ## The lectures
#
# Take the lectures in order. The times are estimates for self-study. Each exercise
# belongs to the lectures that are listed with it.
#
# <!-- lectures: written by `course build` -->
#
# |  | lecture | self-study (estimate) | exercise |
# | --- | --- | --- | --- |
# | [01](01_learning_curves.ipynb) | Learning curves: more data or a better model? | 60 min | 01 |
# | [02](02_training_curves.ipynb) | Training curves: what is wrong with this run? | 60 min | 01 |
# | [03](03_better_or_lucky.ipynb) | Better or lucky: how many runs? | 60 min | 01 |
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
# | [A5](A5_more_on_comparing_runs.ipynb) | What else can mislead you? | 30 min |  |
# | [template](template_own_data.ipynb) | Your own data: does a network beat a simple model? | 45 min |  |
#
# <!-- end -->
#
# These pages go with the lectures:
#
# - [What's wrong with my network?](whats_wrong.md) starts from what you see.
# - [The data sets](data.md) shows each data set, its license, and its pitfalls.
# - [Pretrained networks](pretrained_networks.md) shows how to use them, with and without
#   internet access.
# - The [reading list](reading_batch_normalization.md) is about batch normalization.
