# ---
# jupyter:
#   course:
#     minutes: 40
# ---

# %% [markdown]
# # A hundred networks at once: how does `fit_many` work?
#
# After this appendix you can
#
# - **explain** why a loop of `model.fit` over small networks is slow, and why the
#   arithmetic is not to blame;
# - **use** a Keras model as a formula whose weights you pass in;
# - **turn** a training step for one network into one for ten, with the same
#   numbers;
# - **build** a small `fit_many` of your own, and check it against the real one;
# - **tell** what may change without compiling again, and what no comparison of
#   two trainings can promise.
#
# You need about {{minutes}} minutes. You should know `model.fit` and NumPy; no other
# lecture is needed.

# %% [markdown]
# ## Ten networks in NumPy
#
# Begin without Keras. Here is a network with one hidden layer, without biases,
# as two matrix products. `x` is a batch of 32 images of handwritten digits.

# %%
import numpy as np

from course_utils import datasets

digits = datasets.digits()
x = digits.x_train[:32].astype("float64")


def forward(x, w1, w2):
    return np.maximum(x @ w1, 0) @ w2


rng = np.random.default_rng(0)
w1, w2 = rng.normal(size=(64, 20)), rng.normal(size=(20, 10))
forward(x, w1, w2).shape

# %% [markdown]
# Ten outputs for each of 32 images. Now take ten such networks and stack their
# weights along a new first axis: `w1[3]` belongs to network 3. The obvious way is
# a loop. The other way is to hand the stacks to the *same* function: `@` is
# `np.matmul`, which reads everything before the last two axes as “so many
# matrices”. Which shape will come out, and will the numbers agree?

# %% [markdown] tags=["instructor"]
# **Ask** for the shape before you run it, and for the number of lines that
# have changed: none. Whoever understands this cell has the whole appendix;
# take five minutes, with shapes at the board.

# %% tags=["nbval-check-output"]
w1, w2 = rng.normal(size=(10, 64, 20)), rng.normal(size=(10, 20, 10))
one_by_one = np.stack([forward(x, w1[i], w2[i]) for i in range(10)])
at_once = forward(x, w1, w2)
print("shape:", at_once.shape)
print("same numbers:", np.allclose(one_by_one, at_once, rtol=0, atol=1e-12))

# %% [markdown]
# The same numbers, and not one line of `forward` was changed. That is the whole
# idea of `fit_many`. The rest of this page is about carrying it from two matrix
# products to the training of any Keras model.
#
# It does not carry over by itself. Give the ten networks a bias each, stacked to
# shape (10, 20), and show them ten images:

# %% [markdown] tags=["instructor"]
# **Ask** which of the two lines is right, and why the wrong one raises no
# error: there happen to be as many images as networks. A good moment to say
# that tests use sizes that all differ.

# %%
b1 = rng.normal(size=(10, 20))
ten = x[:10]
network_3 = ten @ w1[3] + b1[3]
print("ten @ w1 + b1:         ", np.allclose((ten @ w1 + b1)[3], network_3))
print("ten @ w1 + b1[:, None]:",
      np.allclose((ten @ w1 + b1[:, None])[3], network_3))

# %% [markdown]
# The first line is no error, only wrong. The stack of products has shape
# (10 networks, 10 images, 20), and NumPy lined the networks of the bias up with
# the *images*. The second line says where the batch axis belongs. One such axis
# you can mend by hand. The gradient of a batch norm is full of them, and you do
# not want to find them all. Further down a function will do it for you.

# %% [markdown]
# ## Where does the time go?
#
# Is it worth it? A step of training needs three matrix products per layer: one
# forward, one for the gradient of the weights, one for the gradient of the
# input. The next cell times a step of `model.fit`, then the same number of
# multiplications in one large product. How large a share will that be?
#
# (Cells that measure with a clock store no output. Run it to see your machine's.)

# %% tags=["live-only"]
from timeit import timeit

from course_utils import models

model = models.mlp(batch_norm=True)
model.compile("sgd", loss="sparse_categorical_crossentropy")
data = digits.x_train[:32 * 33], digits.y_train[:32 * 33]
fit = [timeit(lambda: model.fit(*data, epochs=3, verbose=0), number=1) / 3 / 33
       for _ in range(2)][-1]          # the first call also compiles
kernels = [w for w in model.trainable_variables if w.name == "kernel"]
work = 3 * 32 * sum(np.size(kernel) for kernel in kernels)
big = np.ones((1000, 1000), "float32")
arithmetic = timeit(lambda: big @ big, number=10) / 10 * work / 1000**3
print(f"arithmetic: {arithmetic / fit:.0%} of a step of model.fit")

# %% [markdown]
# A small part. For the rest of the step Python calls Keras, Keras calls
# TensorFlow, TensorFlow starts one operation after the other; and each has only
# a small matrix to work on. That overhead does not grow with the matrices. So the
# plan is to pay it once for many networks and many steps. What this saves was
# measured side by side, once the programs were compiled, and compiling included:

# %%
from course_utils.tools import measured

print(measured.ratio("sweep_warm"))
print(measured.ratio("sweep_cold"))

# %% [markdown]
# ## A Keras model as a formula
#
# A Keras model carries its weights with it. To stack them we need the opposite: a
# function that is *given* the weights. Keras has it.
# `model.stateless_call(trainable, other, x)` computes what the model computes,
# with the weights you pass. `other` are those that are not trained by gradients:
# the running averages of batch norm.
#
# Ten networks with ten seeds, in float64 so that we may compare exactly.
# `initial_weights.seeded` does what `keras.utils.set_random_seed` does, and puts Keras's
# settings back afterwards.

# %%
import tensorflow as tf

from course_utils.training import initial_weights


def network(seed):
    with initial_weights.seeded(seed, "float64"):
        return models.mlp(batch_norm=True)


networks = [network(seed) for seed in range(10)]

# %% [markdown]
# Take the *first* model as the formula and pass it the weights of the *last* one.
# Whose outputs will come out? And with `training=True` batch norm updates its
# running averages: where do they go?

# %% tags=["nbval-check-output"]
def weights(model):
    return ([v.numpy() for v in model.trainable_variables],
            [v.numpy() for v in model.non_trainable_variables])


model = networks[0]
outputs, _ = model.stateless_call(*weights(networks[9]), x, training=False)
print("network 9's outputs:",
      np.allclose(outputs, networks[9](x), rtol=0, atol=1e-12))

_, other = model.stateless_call(*weights(networks[9]), x, training=True)
print("a running average came back changed:", np.any(other[0] != 0))
print("one in the model changed:", np.any(weights(model)[1][0] != 0))

# %% [markdown]
# The formula of one model does for all ten. What training changes is returned
# and nothing is changed in place. So weights are mere arrays now, and arrays can
# be stacked.

# %%
stacked = tf.nest.map_structure(
    lambda *ten: tf.stack(ten), *[weights(network) for network in networks])
for place in range(3):
    variable = model.trainable_variables[place]
    print(variable.name, variable.shape, "→", stacked[0][place].shape)

# %% [markdown]
# ## One step, for one network
#
# This is stochastic gradient descent as in a textbook. A *run* is a network in
# training: its weights, its learning rate, its batch. The function knows nothing
# of stacks.

# %%
import keras


def step(run):
    trainable, other, learning_rate, x, y = run
    with tf.GradientTape() as tape:
        tape.watch(trainable)
        outputs, other = model.stateless_call(
            trainable, other, x, training=True)
        loss = tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(y, outputs))
    gradients = tape.gradient(loss, trainable)
    trainable = tf.nest.map_structure(
        lambda w, g: w - learning_rate * g, trainable, gradients)
    return trainable, other, loss

# %% [markdown]
# The learning rate is a number of the run, so every run may have another one. The
# batch is the run's own too: a seed decides the order of the images as well as
# the initial weights. `batches.indices` is the stream of batches of a seed, as
# `fit_many` draws it. Take the first batch of each.

# %%
from course_utils.training import batches

x_train = tf.constant(digits.x_train, tf.float64)
y_train = tf.constant(digits.y_train)
streams = [batches.indices(len(x_train), seed, batch_size=32)
           for seed in range(10)]
first = np.stack([next(stream) for stream in streams])
ten_rates = tf.constant(np.logspace(-2, 0, 10))
ten_runs = (*stacked, ten_rates,
            tf.gather(x_train, first), tf.gather(y_train, first))

# %% [markdown]
# ## The same step, for ten
#
# First the loop. Then `tf.vectorized_map(step, ten_runs)`: TensorFlow calls `step`
# once, on placeholders for *one* run, writes down which operations it consists
# of, and replaces each by one that works on the whole stack. Gradients, batch
# norm and all. (`fallback_to_while_loop=False` says: rather fail than loop in
# secret.) Compare every weight, every running average and every loss.

# %% tags=["nbval-check-output"]
def take(i):
    return tf.nest.map_structure(lambda stack: stack[i], ten_runs)


loop = tf.nest.map_structure(
    lambda *ten: tf.stack(ten), *[step(take(i)) for i in range(10)])
mapped = tf.vectorized_map(step, ten_runs, fallback_to_while_loop=False)

gaps = tf.nest.flatten(tf.nest.map_structure(
    lambda one, many: np.abs(one - many).max(), loop, mapped))
print(len(gaps), "stacks compared")
print("same numbers:", max(gaps) < 1e-12)

# %% [markdown]
# The axes you would have had to find by hand are in the right places. What has
# become of the operations? Count the matrix products in the graph of the step for
# one run, and in the mapped ones for ten and for a thousand runs. Guess first:
# how many will a thousand need?

# %% [markdown] tags=["instructor"]
# **Ask** for a guess: how many matrix products will a thousand runs need? “A
# thousand times as many” is the natural answer. The recipe stays as long as it
# was; only the ingredients get larger. **Short of time:** go from here to the
# section on the same with `fit_many`.

# %%
def products(function, kind, shape=()):
    spec = tf.nest.map_structure(lambda stack: tf.TensorSpec(
        [*shape, *stack.shape[1:]], stack.dtype), ten_runs)
    graph = tf.function(function).get_concrete_function(spec).graph
    return sum(op.type == kind for op in graph.get_operations())


print("one run:      ", products(step, "MatMul"), "matrix products")
for many in (10, 1000):
    print(f"{many:4} runs:    ", products(
        lambda runs: tf.vectorized_map(step, runs), "BatchMatMulV2", [many]),
          "products of stacks")

# %% [markdown]
# As many as for one: three for each layer, save that nobody asks for the gradient
# of the images. The mapped step is the same recipe with larger ingredients. The
# overhead of starting an operation is paid once, however many networks there are.
# (The graph also holds the small products that were replaced. Nobody asks for
# their results, so they are not computed.)

# %% [markdown]
# ## The loop over the steps, compiled
#
# Python still comes back between two steps. Put that loop inside as well and have
# XLA compile it: `jit_compile=True` turns the whole into one piece of machine
# code, in which neighboring operations are fused and nothing is started one by
# one. `order` says which images make up each batch; its shape is (steps, runs,
# batch size).

# %%
@tf.function(jit_compile=True)
def train(trainable, other, rates, order, steps):
    for now in tf.range(steps):
        x_now = tf.gather(x_train, order[now])
        y_now = tf.gather(y_train, order[now])
        trainable, other, _ = tf.vectorized_map(
            step, (trainable, other, rates, x_now, y_now),
            fallback_to_while_loop=False)
    return trainable, other

# %% [markdown]
# Now a hundred runs: every seed with every one of ten learning rates. `rate` and
# `seed` hold those of each run. A run takes its weights and its batches from its
# seed, so runs with the same seed are a pair: they differ in the learning rate
# and in nothing else. Three epochs.

# %%
rates = np.logspace(-3, 0, 10)
rate, seed = [axis.ravel() for axis in
              np.meshgrid(rates, range(10), indexing="ij")]
steps = 3 * (len(x_train) // 32)


def batches_of(seed):
    stream = batches.indices(len(x_train), seed, batch_size=32)
    return [next(stream) for _ in range(steps)]


order = np.array([batches_of(s) for s in range(10)])
order = tf.constant(order[seed].swapaxes(0, 1), tf.int32)
hundred = [[tf.gather(stack, seed) for stack in kind] for kind in stacked]
trained = train(*hundred, tf.constant(rate), order, tf.constant(steps))

# %% [markdown]
# Those were a hundred trainings. Validation is one more formula to map, this time
# in inference mode.

# %%
import xarray as xr

x_val = tf.constant(digits.x_val, tf.float64)


def validate(run):
    outputs, _ = model.stateless_call(*run, x_val, training=False)
    hits = tf.argmax(outputs, -1, output_type=tf.int32) == digits.y_val
    return tf.reduce_mean(tf.cast(hits, tf.float64))


accuracy = tf.vectorized_map(validate, trained)
ours = xr.DataArray(np.reshape(accuracy, (10, 10)), name="val_accuracy",
                    coords={"learning_rate": rates, "seed": range(10)})

# %% [markdown]
# Look for the rate below which three epochs are too few, and at the width of the
# band: it is the 95 % interval of the mean over the ten seeds.

# %%
from course_utils import plots

_ = plots.lines(ours, "learning_rate",
                  title="Too low a rate, and three epochs are not enough")

# %% [markdown]
# On the left the networks have hardly begun. Further right they have learned, and
# the seeds agree; at the very end, where the rate is largest, they begin to
# differ. A usual result, and you have read every line that led to it.

# %% [markdown]
# ## The same with `fit_many`
#
# Same model, same seeds, same rates, same number of steps. How close to our own
# accuracies will it come?

# %% tags=["nbval-check-output"]
from course_utils import fit_many

runs = fit_many(models.mlp, digits, epochs=3, dtype="float64", grid={
    "batch_norm": True, "learning_rate": rates, "seed": range(10)})
theirs = runs.val_accuracy.isel(epoch=-1)
print("all hundred agree:", bool((abs(ours - theirs) < 1e-9).all()))

# %% [markdown]
# It is the same training. And it is that of `model.fit` on the same batches: the
# project's tests compare both, loss by loss.

# %% [markdown]
# ## What is a number, and what is a structure?
#
# In the labs you move a slider and a hundred networks train at once, without
# waiting for a compiler. Why? `train` counts how often TensorFlow has had to make
# a program of it. Call it with other learning rates and another number of steps;
# then with batches of 64 instead of 32.

# %% tags=["nbval-check-output"]
programs = train.experimental_get_tracing_count
print("programs so far:", programs())

train(*hundred, tf.constant(rate / 7), order, tf.constant(2))
print("with other rates, for two steps:", programs())

twice = tf.concat([order, order], axis=-1)
train(*hundred, tf.constant(rate), twice, tf.constant(2))
print("with batches of 64:", programs())

# %% [markdown]
# A value that goes in as an argument is a *number*: it may change from run to run
# and from call to call, and the program stays. What changes a shape or the recipe
# is a *structure*: larger batches are arrays of another shape, and that takes a
# program of its own.
#
# | numbers, free to change | structures, one program each |
# |---|---|
# | learning rate, weight decay, dropout rate | width, depth, activation |
# | seed: weights, order of the images, noise | batch norm or none, and where |
# | share of wrong labels, size of the subset | batch size |
# | scale of the initial weights, steps | which optimizer |

# %% [markdown]
# ## Layers that roll dice
#
# Not every operation can be mapped. A `Dropout` layer draws a random mask; its
# dice have a state, which Keras keeps among the weights that are not trained.
# What will the map say to ten networks with ten states?

# %%
dropping = models.mlp(dropout=0.5)
ten = tf.nest.map_structure(lambda w: tf.stack([w] * 10), weights(dropping))
try:
    tf.vectorized_map(
        lambda run: dropping.stateless_call(*run, x, training=True)[0],
        ten, fallback_to_while_loop=False)
except ValueError as error:
    print(*[line.strip() for line in str(error).splitlines()
            if "pfor vectorization" in line])

# %% [markdown]
# It refuses. (“pfor”, a parallel `for`, is the machinery behind the map.) The
# way out is to compute the mask instead of drawing it. Take one integer for the
# place of a unit and one, the key, for the seed of the run. Scramble the two with
# a few multiplications and shifts until the result looks random. That is ordinary
# arithmetic, so it can be mapped, and the dropout rate becomes a number: a unit
# stays if its integer is large enough. Four runs: three rates with seed 0, and
# the highest with seed 1.

# %% tags=["nbval-check-output"]
from course_utils.training import noise

places = rng.integers(2**32, size=(32, 20), dtype=np.uint32)


def mask(run):
    key, rate = run
    integers = noise.mix(tf.bitwise.bitwise_xor(tf.constant(places), key))
    return integers >= tf.cast(rate * 2.0**32, tf.uint32)


keys = tf.constant([noise.run_key(s) for s in (0, 0, 0, 1)], tf.uint32)
masks = tf.vectorized_map(mask, (keys, tf.constant([0.2, 0.5, 0.8, 0.8])))
print("share kept:", np.mean(masks, axis=(1, 2)).round(1))
print("kept at 0.8, so at 0.2:", np.greater_equal(masks[0], masks[2]).all())

# %% [markdown]
# The shares are those asked for. What a low rate drops, a higher one drops too,
# so runs that share a seed stay a pair; another seed drops other units. And no
# mask depends on who else is in the stack: a run gets the same one alone and in a
# crowd. (`fit_many` mixes the step into the key, for new masks in every step.)
#
# Convolutions are refused as well when every run has kernels of its own;
# `fit_many` swaps in a layer that computes the same by matrix products. If an
# operation has no such way out, `fit_many` says so and trains these networks one
# by one; so it is with recurrent layers and their loop over time. You get the
# right numbers, later.

# %% [markdown]
# ## Ten at a time, on every core
#
# `fit_many` does not make one stack of a hundred. It makes blocks of ten (of five,
# if the networks are larger), and each core of your computer takes the next block.
# Ten, because one program then
# does for a grid of any size (the last block is filled up), because ten small
# networks fit the fast memory next to a core, and because a larger stack saves
# nothing more. (A graphics card gets more at a time.) How long do
# ten take, compared with one? And twenty?

# %% tags=["live-only"]
def seconds(networks):
    def sweep():
        grid = {"batch_norm": True, "seed": range(networks)}
        fit_many(models.mlp, digits, grid, epochs=5)
    sweep()                              # the first call also compiles
    return min(timeit(sweep, number=1) for _ in range(2))


alone = seconds(1)
for networks in (10, 20):
    print(f"{networks} networks take {seconds(networks) / alone:.1f} "
          "times as long as one")

# %% [markdown]
# Ten cost less than ten times one; that is the map. With two free cores twenty
# cost hardly more than ten. But the larger part of the gain is neither: it is to
# leave Python out of the loop. The first line says what that does for one network
# alone. The second compares a sweep with its matrix products and nothing else.

# %%
print(measured.ratio("one_mlp"))
print(measured.ratio("matmul_share"))

# %% [markdown]
# Remember how small the share of the arithmetic was in a step of `model.fit`. Now
# it is a large one, and not much is left to save.
#
# The price is the compiler: some seconds for every new structure, whether it
# trains one network or a thousand. For a single short training `model.fit` is
# the better tool.

# %% [markdown]
# ## What no comparison can promise
#
# Every comparison on this page was made in float64, and over a few steps. Here is
# why. Train each network twice, once as it is and once with initial weights that
# are larger by about one unit in the *last digit* the computer keeps. That is as
# small a change as there is. It stands for all the harmless ones: sums taken in
# another order, another block size, another processor.

# %%
drift = {}
for dtype, digit in {"float32": 2.0**-23, "float64": 2.0**-52}.items():
    pairs = fit_many(
        models.mlp, digits, epochs=8, evaluate_every=11, dtype=dtype,
        grid={"batch_norm": True, "learning_rate": [0.1, 4.0],
              "seed": range(10), "initial_scale": [1.0, 1.0 + digit]})
    apart = abs(pairs.val_loss.diff("initial_scale"))
    drift[dtype] = apart.squeeze("initial_scale").max("seed")

# %% [markdown]
# How far apart are the validation losses of the two, in the worst of ten seeds?
# The vertical axis is logarithmic: each line is a factor of a thousand. Left a
# learning rate at which the network trains well, right one that is too high for
# it. Which curves climb?

# %%
figure, (left, right) = plots.panels(2)
for ax, at in (left, 0.1), (right, 4.0):
    for dtype, curve in drift.items():
        ax.semilogy(curve.step, curve.sel(learning_rate=at), label=dtype,
                    marker="")
    ax.set(xlabel="steps", ylim=(1e-18, 1e2),
           yticks=10.0 ** np.arange(-18, 3, 3))
left.set(ylabel="difference of validation losses",
         title="A good rate: float64 keeps its digits")
right.set_title("Too high a rate: none are kept")
_ = left.legend()

# %% [markdown]
# In float32 a last digit can become a visible difference, even at a good rate. It
# is enough that one unit which was just off is now just on: from there on two
# networks are trained. In float64 that is far less likely, and at the good rate
# it does not happen here. At too high a rate training is chaotic. The difference
# grows as training goes on, in either precision, until nothing is left to compare.
#
# So: prove that two programs do the same in float64, at a good rate or over a few
# steps. And do not expect the last digits of a float32 training to come out the
# same on another computer, with `fit_many` or with `model.fit`. That is one more
# reason to trust the mean over ten seeds and no single run.

# %% [markdown]
# ## Where to look in the code
#
# All of it is in `course_utils/training`. Begin with `program.py`: you will
# recognize it.
#
# | file | what it holds |
# |---|---|
# | `program.py` | the step, mapped; the loop over the steps, compiled |
# | `optimizers.py` | SGD, Adam and others for stacked weights |
# | `layers.py`, `convolutions.py` | stand-ins for layers that cannot be mapped |
# | `noise.py` | random numbers computed from seed, step and place |
# | `initial_weights.py`, `batches.py` | what a seed decides: weights; order, wrong labels |
# | `augmentation.py` | images changed anew at every step |
# | `penalties.py` | L1, L2 and max-norm, with a strength for each run |
# | `diagnostics.py` | a look inside: activations and gradients per layer |
# | `knobs.py`, `grid.py`, `checks.py` | your grid taken apart into runs; mistakes named |
# | `blocks.py`, `fit.py` | ten at a time; the loop over chunks, the results |
# | `stopping.py` | what a run would have come to, had it been stopped early |
#
# **References.**
#
# - A. Agarwal: *Static automatic batching in TensorFlow*, ICML 2019 (the machinery
#   behind `tf.vectorized_map`).
# - A. Sabne: *XLA: compiling machine learning for peak performance*, Google 2020.
# - R. Frostig, M. J. Johnson, C. Leary: *Compiling machine learning programs via
#   high-level tracing*, SysML 2018 (JAX, where the map is called `vmap`).
# - W. Whitney: *Parallelizing neural networks on one GPU with JAX*, 2021 (the same
#   idea as on this page, on a graphics card).
# - C. Summers, M. J. Dinneen: *Nondeterminism and instability in neural network
#   optimization*, ICML 2021 (one bit of the initial weights decides).
