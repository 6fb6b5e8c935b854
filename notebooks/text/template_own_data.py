# ---
# jupyter:
#   course:
#     minutes: 45
# ---

# %% [markdown]
# # Your own data: does a network beat a simple model?
#
# This notebook takes a data set from the file to an honest report. You load the
# data, split them, fit a baseline, check the network, measure a learning curve,
# run a small search, and open the test set once.
#
# It runs unchanged on small examples: a table, a folder of images, or arrays, each
# for regression or classification. Run it once as it is. Then replace the example
# with your own data and your own model. You only have to edit the cells that begin
# with `# YOUR DATA` or `# YOUR MODEL`.
#
# The example takes about {{minutes}} minutes. You should know a little Keras, and
# lectures 01 to 03 help. Nothing is downloaded.

# %% [markdown]
# ## What do you have, and what do you want?
#
# The next cell selects the kind of data, the task, and the split. As long as
# `MY_DATA` is `None`, the notebook writes an example file and reads that. For your
# own data, give the path of a CSV file, a folder of images, or an `.npz` file.

# %%
# YOUR DATA: choose one value per line.
KIND = "table"        # "table", "images", or "arrays"
TASK = "regression"   # "regression" or "classification"
SPLIT = "random"      # "random", "grouped", or "time"
MY_DATA = None        # a path such as "measurements.csv"

EPOCHS = 40
SEEDS = range(5)
TRIALS = 20

# %% [markdown]
# ### The example files
#
# The next three cells write files like those that people usually have: a table that
# mixes numbers and words, a folder of images for each class, or saved arrays. They do
# nothing when you use your own data.

# %%
import pathlib
import tempfile

import keras
import numpy as np
import pandas as pd

from course_utils import datasets


def all_samples(split):
    parts = [(split.x_train, split.y_train), (split.x_val, split.y_val),
             split.test]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


# %%
def write_table(path):
    x, mpg = all_samples(datasets.autompg(scaled=False))
    cars = pd.DataFrame(x[:, :6], columns=datasets.CARS[:6])
    origins = np.array(["America", "Europe", "Japan"])
    cars["origin"] = origins[x[:, 6:].argmax(1)]
    cars["engine"] = [f"{cylinders:g} cylinders, {size:g} cubic inches"
                      for cylinders, size in x[:, :2]]
    cars.assign(mpg=mpg).to_csv(path, index=False)


def write_arrays(path):
    x, y = all_samples(datasets.digits() if TASK == "classification" else
                       datasets.autompg(scaled=False))
    np.savez(path, x=x, y=y)


# %%
def write_images(path):
    rows, drawn_on = datasets.emoji_table()[::4], {}
    for artist in ("google", "twitter"):
        drawings = datasets.emoji_images(artist)[::4]
        for row, pixels in zip(rows, drawings, strict=True):
            file = (path / row["class"] /
                    f"{row['group']}_{row['code']}_{artist}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            keras.utils.save_img(file, pixels, scale=False)
            drawn_on[file.name] = (pixels < 255).any(-1).mean()
    table = pd.Series(drawn_on, name="target").rename_axis("file")
    table.to_csv(path / "labels.csv")


# %% tags=["nbval-check-output"]
if MY_DATA is None:
    name, write = {"table": ("cars.csv", write_table),
                   "images": ("emoji", write_images),
                   "arrays": ("saved.npz", write_arrays)}[KIND]
    path = pathlib.Path(tempfile.mkdtemp()) / name
    write(path)
else:
    path = pathlib.Path(MY_DATA)
print("reading", path.name)

# %% [markdown]
# ## Load
#
# You only need the function for your kind of data. Each of them returns the features
# `x`, the targets `y`, and the group and the time of each sample, or `None` if there
# are none.
#
# - **Table:** name the column to predict. List the columns that the network must not
#   see: identifiers, and anything that you won't know yet when you make a prediction.
#   A column of words becomes a column of zeros and ones for each word. Rows with gaps
#   are left out. If there are many of them, the other rows may be a biased sample.
# - **Images:** there is one folder per class. For regression, `labels.csv` gives each
#   file name a target. (In the example, it's the share of the picture that is drawn
#   on.) Here, the group is the part of the file name before the first `_`.
# - **Arrays:** the file holds `x`, with one sample per row, and `y`. It may also hold
#   `group` and `time`.

# %%
# YOUR DATA, table: the names of your columns, or None.
TARGET = "mpg" if TASK == "regression" else "origin"
GROUP, TIME = "engine", "model year"
UNUSED = ["engine"]


def load_table(path):
    table = pd.read_csv(path)
    complete = table.dropna()
    print(len(table) - len(complete), "rows with gaps are left out")
    features = complete.drop(columns=[TARGET, *UNUSED])
    x = pd.get_dummies(features).to_numpy("float32")
    groups, times = (None if column is None else complete[column].to_numpy()
                     for column in (GROUP, TIME))
    return x, complete[TARGET].to_numpy(), groups, times


# %%
# YOUR DATA, images: their type, the size to use, and the groups.
SIDE = 32


def load_images(path):
    files = sorted(path.glob("*/*.png"))
    x = np.stack([keras.utils.img_to_array(keras.utils.load_img(
        file, target_size=(SIDE, SIDE))) for file in files]) / 255
    y = np.array([file.parent.name for file in files])
    if TASK == "regression":
        labels = pd.read_csv(path / "labels.csv", index_col="file")
        y = labels.target[[file.name for file in files]].to_numpy()
    groups = np.array([file.name.split("_")[0] for file in files])
    return x, y, groups, None


# %%
# YOUR DATA, arrays: the names in your file.
def load_arrays(path):
    with np.load(path) as file:
        return (file["x"].astype("float32"), file["y"],
                file.get("group"), file.get("time"))


# %% tags=["nbval-check-output"]
load = {"table": load_table, "images": load_images, "arrays": load_arrays}
x, y, groups, times = load[KIND](path)
if TASK == "classification":
    names, y = np.unique(y, return_inverse=True)
    y = y.astype("int32")
    print("classes:", *names)
else:
    names, y = [], y.astype("float32")
print(len(x), "samples of shape", x.shape[1:])

# %% [markdown]
# ## Split
#
# The split decides what your test score means. Ask yourself what will be *new* when
# the network is used:
#
# | split | use it if | example |
# |---|---|---|
# | random | the samples are independent of each other | one photo per customer |
# | grouped | several samples share a source, and new sources will come | patients, engines, or locations |
# | time | you predict the future | next year's cars |
#
# If you split grouped data at random, the network trains on near-duplicates of the
# test samples, and the test score is too good. Appendix A4 shows such a leak. Here,
# about 60% of the samples are for training, 20% for choosing, and 20% for the test.
# If your groups contain rare classes, use scikit-learn's `StratifiedGroupKFold`. To
# repeat a time-based split, use `TimeSeriesSplit`.

# %%
from sklearn.model_selection import GroupShuffleSplit

if {"grouped": groups, "time": times}.get(SPLIT, y) is None:
    raise ValueError(f"A {SPLIT} split needs a group or a time for each "
                     "sample: return them where you load your data.")


def without_groups(rows, share):
    draw = GroupShuffleSplit(1, test_size=share, random_state=0)
    [(rest, drawn)] = draw.split(rows, groups=groups[rows])
    return rows[rest], rows[drawn]


# %%
everything = np.arange(len(y))
if SPLIT == "random":
    parts = datasets.stratified("rows", everything, y, seed=0)
    train, val, test = parts.x_train, parts.x_val, parts.test[0]
elif SPLIT == "grouped":
    rest, test = without_groups(everything, 0.2)
    train, val = without_groups(rest, 0.25)
else:   # samples of the same time stay together
    cuts = [int(0.6 * len(y)), int(0.8 * len(y))]
    first, second = np.sort(times)[cuts]
    train = everything[times < first]
    val = everything[(times >= first) & (times < second)]
    test = everything[times >= second]

# %% [markdown]
# We scale the features *after* the split, because their mean and standard deviation
# have to come from the training data alone (lecture 04). Pixels are already between 0
# and 1. In regression, the target is scaled, too, so that the same learning rates work
# for any unit. Multiplying by `unit` converts errors back.

# %% tags=["nbval-check-output"]
center, spread = x[train].mean(0), x[train].std(0)
if KIND == "images":
    center, spread = np.float32(0), np.float32(1)
inputs = (x - center) / np.where(spread > 0, spread, np.float32(1))
targets, unit = y, 1.0
if TASK == "regression":
    unit = float(y[train].std())
    targets = (y - y[train].mean()) / np.float32(unit)
split = datasets.Split(f"your {KIND}", inputs[train], targets[train],
                       inputs[val], targets[val],
                       test=(inputs[test], targets[test]))
split

# %% [markdown]
# Do the training and the validation data look alike? In the next figure, look for
# targets that are common in one part and rare in the other. After a random split,
# differences should be small. After a grouped or time-based split, they can be larger.
# That isn't a mistake, because the network will meet such differences in use.

# %%
from course_utils import plots

bins = np.arange(len(names) + 1) - 0.5 if len(names) else 12
ax = plots.axes()
for part, rows, style in (("training", train, "-"), ("validation", val, "--")):
    ax.hist(y[rows], bins, density=True, histtype="step", linestyle=style,
            linewidth=2, label=part)
if len(names):
    ax.set_xticks(range(len(names)), names)
ax.set(xlabel="target", ylabel="density",
       title="Targets in the training and validation data")
_ = ax.legend()

# %% [markdown]
# ## Baselines
#
# How good is a model that takes a second? The *guess* always gives the same answer.
# The other baseline is a linear model, which gets every fourth row and column of an
# image. Add what people in your field use. For tables, that is often scikit-learn's
# `HistGradientBoostingRegressor` or `HistGradientBoostingClassifier`.
#
# The function `errors` returns one number per sample. In regression, it's the distance
# between prediction and target, in the target's own unit. In classification, it's 1 for
# a wrong class and 0 for the correct one. If some mistakes cost more than others, this
# is the function to change. Lower is better everywhere below.

# %%
# YOUR MODEL: the simple models that the network has to beat.
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge

if TASK == "classification":
    measure = "error rate"
    baselines = {"guess": DummyClassifier(),
                 "linear model": LogisticRegression(max_iter=5000)}
else:
    measure = "mean absolute error"
    baselines = {"guess": DummyRegressor(strategy="median"),
                 "linear model": Ridge()}


# %%
def errors(predicted, y):
    distance = np.abs(predicted - y) * unit
    return distance if TASK == "regression" else (predicted != y) * 1.0


def flat(x):
    return (x[:, ::4, ::4] if KIND == "images" else x).reshape(len(x), -1)


scores = {}
for name, baseline in baselines.items():
    baseline.fit(flat(split.x_train), split.y_train)
    answers = baseline.predict(flat(split.x_val))
    scores[name] = errors(answers, split.y_val).mean()
    print(f"{name:14}validation {measure} {scores[name]:.3g}")

# %% [markdown]
# If the linear model is hardly better than the guess, the features may say little about
# the target, or the relation isn't linear. If a baseline is almost perfect, suspect a
# leak: one of the features may contain the target.
#
# ## Your network
#
# The function `build` gets the shape of a sample and the number of classes, which is
# `None` in regression. It must depend on nothing else, because `fit_many` calls it many
# times. You can search its other arguments later. Start with a small network.

# %%
# YOUR MODEL: the network.
from keras import layers


def build(input_shape, classes=None, width=32, dropout=0.2):
    first = [layers.Flatten()]
    if len(input_shape) == 3:   # images
        first = [layers.Conv2D(16, 3, strides=2, activation="relu"),
                 layers.Conv2D(32, 3, strides=2, activation="relu"),
                 layers.Flatten()]
    last = (layers.Dense(1) if classes is None else
            layers.Dense(classes, activation="softmax"))
    hidden = layers.Dense(width, activation="relu")
    return keras.Sequential([keras.Input(input_shape), *first, hidden,
                             layers.Dropout(dropout), last])


# %%
batch = min(32, len(train) // 8)   # no larger than the smallest training set
options = {"loss": "mse", "metrics": ["mae"]}
if TASK == "classification":
    options = {"loss": "sparse_categorical_crossentropy",
               "metrics": ["accuracy"]}


def fit(model, rate):
    model.compile(keras.optimizers.Adam(rate), **options)
    return model.fit(
        split.x_train, split.y_train, epochs=EPOCHS, batch_size=batch,
        validation_data=(split.x_val, split.y_val), verbose=0)


# %% [markdown]
# First, train the network once and look at the curves. Does the validation loss still
# fall at the end? Does it rise again? Or do both curves stay where they began? Lecture
# 02 explains what each pattern means.

# %%
keras.utils.set_random_seed(0)
model = build(split.x_train.shape[1:], split.classes)
history = fit(model, rate=0.003)

ax = plots.axes()
for score, label, style in (("loss", "training", "-"),
                            ("val_loss", "validation", "--")):
    ax.plot(range(1, EPOCHS + 1), history.history[score], label=label,
            marker="", linestyle=style)
ax.set(xlabel="epoch", ylabel="loss", ylim=(0, None),
       title="The losses of one training run")
_ = ax.legend()

# %% [markdown]
# If both losses still fall at the end, increase `EPOCHS`. If they jump or become NaN,
# lower the learning rate. For anything else, ask the doctor. It examines the data, the
# model, and the curves, and it names the most likely problem. If it finds one,
# `report.try_fix()` tries the fix on your data, which takes up to a minute.

# %%
from course_utils import doctor

report = doctor.examine(model, (split.x_train, split.y_train),
                        (split.x_val, split.y_val), history=history)
report

# %% [markdown]
# ## Would more data help?
#
# The helper `fit_many` trains the network on an eighth of the training data, on a
# quarter, on half, and on all of them, with several seeds each. All runs take the same
# number of steps. In the next figure, look at the right end: is the curve still falling
# there? And is it below the baselines?

# %%
from course_utils import fit_many

training = {"epochs": EPOCHS, "batch_size": batch, "optimizer": "adam"}
sizes = [len(train) // part for part in (8, 4, 2, 1)]
grid = {"train_size": sizes, "learning_rate": 0.003, "seed": SEEDS}
runs = fit_many(build, split, grid, **training, **options)


def validation_error(runs):
    last = runs.isel(epoch=-1)
    error = (1 - last.val_accuracy if TASK == "classification" else
             last.val_mae * unit)
    return error.rename(f"validation {measure}")


# %%
ax = plots.lines(validation_error(runs), "train_size",
                 title="Validation error by size of the training set")
ax.lines[-1].set_label("network")
styles = (":", "--", "-.", (0, (5, 10)))
for (name, score), style in zip(scores.items(), styles, strict=False):
    ax.axhline(score, color="0.4", linestyle=style, marker="", label=name)
ax.set_xlabel("training samples")
_ = ax.legend()

# %% [markdown]
# If the curve is still falling, more data is often the surest way to improve. If it's
# flat, better features or a different model may help more (lecture 01). The band is a
# 95% confidence interval over seeds. It doesn't include the luck of the split, so the
# figure can't tell you yet whether the network beats the baselines.
#
# ## A small search
#
# Which learning rate, dropout rate, and width suit your data? We train random
# configurations, with two seeds each. List the arguments of your own `build` in
# `space`. Lecture 12 explains the scales and shows better ways to search.

# %%
# YOUR MODEL: what to search, and in which range.
from course_utils import search

space = {"learning_rate": search.log_uniform(3e-4, 3e-2),
         "dropout": search.uniform(0, 0.5), "width": search.choice(16, 64)}


def objective(trials):
    grid = {"configuration": trials, "seed": SEEDS[:2]}
    runs = fit_many(build, split, grid, **training, **options)
    return validation_error(runs).mean("seed")


result = search.run(objective, space, n_trials=TRIALS, batch=TRIALS,
                    sampler="random", direction="minimize")

# %% [markdown]
# In the next figure, find the lowest points. If they are at the edge of a range, extend
# the range and search again. If good and bad trials are mixed everywhere along an axis,
# that hyperparameter hardly matters within its range.

# %%
figure, axes = plots.panels(2)
for ax, knob in zip(axes, ("learning_rate", "dropout"), strict=True):
    for width, some in result.trials.groupby("width"):
        ax.plot(some[knob], some.value, linestyle="", label=f"width {width}")
    ax.set(xlabel=plots.axis_label(knob), ylabel=f"validation {measure}")
axes[0].set(xscale="log", title="Trials by learning rate")
axes[1].set_title("The same trials by dropout")
_ = axes[1].legend()

# %% [markdown]
# The best score of a search is too good, because part of it is luck (lecture 12). An
# honest score has to come from data that chose nothing.
#
# ## An honest report
#
# First, decide everything: the network, its rival, and the measure. The network is the
# best configuration, trained once more. The rival is the baseline with the lowest
# validation error. After the next cell, nothing may change.

# %%
chosen = dict(result.best_params)
rate = chosen.pop("learning_rate")
keras.utils.set_random_seed(0)
final = build(split.x_train.shape[1:], split.classes, **chosen)
_ = fit(final, rate)
rival = min(scores, key=scores.get)
print(f"The network against the {rival}, by {measure}: {result}")

# %% [markdown]
# Now open the test set, once. Both models answer the same test samples, so we compare
# them in pairs: we take the difference of their errors on each sample. The intervals
# come from a bootstrap, which draws the test samples over and over again. After a
# grouped split, it draws whole groups, because samples of the same group aren't
# independent.

# %%
x_test, y_test = split.open_test()
answers = final.predict(x_test, verbose=0)
answers = answers.argmax(1) if TASK == "classification" else answers[:, 0]
ours = errors(answers, y_test)
theirs = errors(baselines[rival].predict(flat(x_test)), y_test)

# %%
drawn_together = groups[test] if SPLIT == "grouped" else np.arange(len(test))
_, block = np.unique(drawn_together, return_inverse=True)


def interval(values, repeats=5000):
    sums, sizes = np.bincount(block, values), np.bincount(block)
    rng, means = np.random.default_rng(0), []
    for _ in range(repeats):
        drawn = rng.integers(len(sums), size=len(sums))
        means.append(sums[drawn].sum() / sizes[drawn].sum())
    return np.quantile(means, [0.025, 0.975])


def words(values):
    return "{:.3g} [{:.3g}, {:.3g}]".format(values.mean(), *interval(values))


# %%
low, high = interval(ours - theirs)
verdict = ("better" if high < 0 else "worse" if low > 0 else
           "not shown to be better or worse")
print(f"""\
Data        {path.name}, {SPLIT} split: {len(train)} samples to train on,
            {len(val)} to choose, {len(test)} to test (opened once)
Searched    {TRIALS} configurations of {', '.join(space)}
Network     test {measure} {words(ours)}
Rival       {rival}: {words(theirs)}
Difference  {words(ours - theirs)}, paired, 95%
Verdict     the network is {verdict}""")

# %% [markdown]
# ## What you may claim, and what not
#
# Look at the interval of the difference. Below zero, the network makes smaller or fewer
# errors than its rival.
#
# - The claim is about *this* trained network, and about the kind of new data that your
#   split imitates: more samples from the same source (random), new groups (grouped), or
#   the time right after your data (time).
# - If the interval includes zero, you haven't shown a difference. There may still be
#   one, and more test samples might show it.
# - A claim about the *method* needs several seeds and splits (lecture 03).
# - With fewer than about thirty independent test samples or groups, a bootstrap interval
#   is too narrow. It's also too narrow if neighbors in time resemble each other. If a
#   model makes no error at all on $n$ independent samples, its error rate may still be
#   about $3/n$.
# - If you change something now and look again, the test set has become a validation set.
#   A new claim needs new test data.
#
# Lecture 13 ends with a longer report of this kind.
