# ---
# jupyter:
#   course:
#     minutes: 40
# ---

# %% [markdown]
# # A hundred networks at once: how does `fit_many` work?
#
# `fit_many` trains a Keras model once for every combination of settings in a grid.
# By the end, you'll be able to:
#
# - **explain** why a loop of `model.fit` over small networks is slow;
# - **use** Keras models and optimizers as functions of their weights and state;
# - **turn** a training step for one network into a step for ten;
# - **tell** which settings need a new compiled program;
# - **describe** how `fit_many` checks itself, and why two identical trainings can
#   drift apart.
#
# This appendix takes about {{minutes}} minutes. You should know NumPy and
# `model.fit`.

# %% [markdown]
# ## Ten networks in NumPy
#
# The next cell defines a network with one hidden layer and no biases, and applies
# it to 32 images of handwritten digits.

# %%
import numpy as np

from course_utils import datasets

digits = datasets.digits(seed=0)
x = digits.x_train[:32].astype("float64")


def forward(x, w1, w2):
    return np.maximum(x @ w1, 0) @ w2


rng = np.random.default_rng(0)
w1, w2 = rng.normal(size=(64, 20)), rng.normal(size=(20, 10))
forward(x, w1, w2).shape

# %% [markdown]
# Now we stack the weights of ten such networks along a new first axis, so that
# `w1[3]` belongs to network 3. We can loop over the networks or pass both stacks to
# `forward`: `@` treats all axes before the last two as a stack of matrices. What
# shape will come out, and will the results agree?

# %% [markdown] tags=["instructor"]
# **Ask** for the shape, and draw the shapes on the board: the rest of the appendix
# builds on this cell. **Short of time:** run the cells up to "The same with
# `fit_many`" without discussing them.

# %% tags=["nbval-check-output"]
w1, w2 = rng.normal(size=(10, 64, 20)), rng.normal(size=(10, 20, 10))
one_by_one = np.stack([forward(x, w1[i], w2[i]) for i in range(10)])
at_once = forward(x, w1, w2)
print("shape:", at_once.shape)
print("same results:", np.allclose(one_by_one, at_once, rtol=0, atol=1e-12))

# %% [markdown]
# The results agree, and `forward` didn't change. `fit_many` extends this idea to
# training Keras models.
#
# Not every operation is this easy. The next cell gives each network a bias for its
# hidden layer, stacked to shape (10, 20), and shows the networks ten images. Which
# line is correct?

# %% tags=["nbval-check-output"]
b1 = rng.normal(size=(10, 20))
ten = x[:10]
network_3 = ten @ w1[3] + b1[3]
print("ten @ w1 + b1:         ", np.allclose((ten @ w1 + b1)[3], network_3))
print("ten @ w1 + b1[:, None]:",
      np.allclose((ten @ w1 + b1[:, None])[3], network_3))

# %% [markdown]
# The first line raises no error, but its result is wrong. The products have shape
# (10 networks, 10 images, 20 units), and NumPy matched the ten biases with the ten
# *images*. The gradient of batch norm contains many more axes, so we'll let
# TensorFlow place them.

# %% [markdown]
# ## Where does the time go?
#
# In a step of `model.fit`, Python calls Keras, Keras calls TensorFlow, and
# TensorFlow starts many small operations. This overhead hardly depends on the size
# of the matrices, so `fit_many` shares it among many networks and steps.
#
# A training step needs about three matrix products per layer: one for the outputs
# and two for the gradients. The next cell times a step of `model.fit` and the same
# number of multiplications in one large product. What share of the step will the
# arithmetic take? (Timings aren't stored, so run the cell.)

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
# ## A Keras model as a function
#
# A Keras model holds its own weights. For stacking, we need a function that takes
# them as arguments: `model.stateless_call(trainable, other, x)`. Here, `other`
# holds the weights that gradients don't train, such as the running averages of
# batch norm.
#
# The next cell builds ten networks, in float64 so that rounding can't hide a
# mistake. It then calls the *first* model with the weights of the *last*. Whose
# outputs will come out? And where will training mode store batch norm's new running
# averages?

# %% tags=["nbval-check-output"]
from course_utils.training import initial_weights

networks = []
for seed in range(10):
    with initial_weights.seeded(seed, "float64"):
        networks.append(models.mlp(batch_norm=True))
model, last = networks[0], networks[9]
weights = last.trainable_variables, last.non_trainable_variables

outputs, _ = model.stateless_call(*weights, x, training=False)
print("network 9's outputs:", np.allclose(outputs, last(x), atol=1e-12))
_, other = model.stateless_call(*weights, x, training=True)
print("returned average changed:", np.any(other[0] != 0))
print("average in the model changed:",
      np.any(model.non_trainable_variables[0].numpy() != 0))

# %% [markdown]
# ## One training step
#
# The model returned its new running averages and changed nothing in place. The
# optimizer must do the same. `Stateless` turns a Keras optimizer into a function
# that returns new weights and a new state; the update rule is still Keras's own.
# For SGD with momentum, the state consists of a step counter, the learning rate,
# and a momentum for each weight array.
#
# `step` is one training step of one network. The cell after it stacks ten *runs*,
# each with its own network, learning rate, and first batch.

# %%
import keras
import tensorflow as tf

from course_utils.training import optimizers

sgd = keras.optimizers.SGD(momentum=0.9)
with initial_weights.seeded(0, "float64"):
    optimizer = optimizers.Stateless(
        sgd, model.trainable_variables, decays=False)
print(*[variable.name for variable in optimizer.variables[:3]], "…")


# %%
def step(run):
    (trainable, other, slots), x, y = run
    with tf.GradientTape() as tape:
        tape.watch(trainable)
        outputs, other = model.stateless_call(
            trainable, other, x, training=True)
        loss = tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(y, outputs))
    gradients = tape.gradient(loss, trainable)
    trainable, slots = optimizer.step(trainable, gradients, slots, {})
    return (trainable, other, slots), loss

# %%
from course_utils.training import batches

x_train, x_val = [tf.constant(images, tf.float64)
                  for images in (digits.x_train, digits.x_val)]
y_train = tf.constant(digits.y_train)
stacked = [
    [tf.stack([w.numpy() for w in ten]) for ten in zip(*kind, strict=True)]
    for kind in ([net.trainable_variables for net in networks],
                 [net.non_trainable_variables for net in networks])]
ten_rates = tf.constant(np.logspace(-3, -1, 10))
slots = optimizer.with_rate(optimizer.state(10), ten_rates)
first = np.stack([next(batches.indices(len(x_train), seed, batch_size=32))
                  for seed in range(10)])
ten_runs = ((*stacked, slots),
            tf.gather(x_train, first), tf.gather(y_train, first))

# %% [markdown]
# ## The same step for ten networks
#
# `tf.vectorized_map(step, ten_runs)` calls `step` once, on placeholders for a
# single run. It records the operations and replaces each one with an operation on
# the whole stack. We'll compare every weight, running average, loss, and optimizer
# state with those of a loop.

# %% tags=["nbval-check-output"]
def take(i):
    return tf.nest.map_structure(lambda stack: stack[i], ten_runs)


loop = tf.nest.map_structure(
    lambda *ten: tf.stack(ten), *[step(take(i)) for i in range(10)])
mapped = tf.vectorized_map(step, ten_runs, fallback_to_while_loop=False)

gaps = tf.nest.flatten(tf.nest.map_structure(
    lambda one, many: np.abs(one - many).max(), loop, mapped))
print("stacks compared:", len(gaps))
print("same results:", max(gaps) < 1e-12)

# %% [markdown]
# All axes are in the right places. How many matrix products does the mapped step
# contain for ten runs, and for a thousand?

# %% tags=["nbval-check-output"]
def products(function, kind, shape=()):
    spec = tf.nest.map_structure(lambda stack: tf.TensorSpec(
        [*shape, *stack.shape[1:]], stack.dtype), ten_runs)
    graph = tf.function(function).get_concrete_function(spec).graph
    return sum(op.type == kind for op in graph.get_operations())


print("one run:", products(step, "MatMul"), "matrix products")
for many in (10, 1000):
    print(many, "runs:", products(lambda runs: tf.vectorized_map(step, runs),
                                  "BatchMatMulV2", [many]),
          "products of stacks")

# %% [markdown]
# ## Compile the loop over the steps
#
# A thousand runs need as many operations as one, but Python still runs between two
# steps. We'll move the loop over the steps into the function and have the XLA
# compiler turn it into machine code (`jit_compile=True`). `order` contains the
# image indices of each batch, with shape (steps, runs, batch size).
#
# Then we'll train a hundred runs for three epochs: ten learning rates with ten
# seeds each.

# %%
@tf.function(jit_compile=True)
def train(state, order, steps):
    for now in tf.range(steps):
        x_now = tf.gather(x_train, order[now])
        y_now = tf.gather(y_train, order[now])
        state, _ = tf.vectorized_map(
            step, (state, x_now, y_now), fallback_to_while_loop=False)
    return state


# %%
rates = np.logspace(-4, -1, 10)
rate, seed = np.repeat(rates, 10), np.tile(range(10), 10)
steps = 3 * (len(x_train) // 32)


def batches_of(seed):
    stream = batches.indices(len(x_train), seed, batch_size=32)
    return [next(stream) for _ in range(steps)]


order = np.array([batches_of(s) for s in range(10)])
order = tf.constant(order[seed].swapaxes(0, 1), tf.int32)
hundred = [[tf.gather(stack, seed) for stack in kind] for kind in stacked]
slots = optimizer.with_rate(optimizer.state(100), rate)
trained = train((*hundred, slots), order, tf.constant(steps))

# %% [markdown]
# ## The same with `fit_many`
#
# Validation is one more function to map. The next cell computes our hundred
# validation accuracies and trains the same grid with `fit_many`. Will they agree?

# %% tags=["nbval-check-output"]
from course_utils import fit_many


def validate(run):
    outputs, _ = model.stateless_call(*run[:2], x_val, training=False)
    hits = tf.argmax(outputs, -1, output_type=tf.int32) == digits.y_val
    return tf.reduce_mean(tf.cast(hits, tf.float64))


ours = np.reshape(tf.vectorized_map(validate, trained), (10, 10))
runs = fit_many(
    models.mlp, digits, epochs=3, optimizer=sgd, dtype="float64", grid={
        "batch_norm": True, "learning_rate": rates, "seed": range(10)})
gaps = abs(ours - runs.val_accuracy.isel(epoch=-1))
print("all hundred agree:", bool((gaps < 1e-9).all()))

# %% [markdown]
# ## What needs a new program?
#
# In the course's labs, moving a slider often starts training without waiting for
# the compiler. To see why, we'll count the programs that `train` needs as we change
# the learning rates, the number of steps, and the batch size.

# %% tags=["nbval-check-output"]
programs = train.experimental_get_tracing_count
print("programs so far:", programs())

slots = optimizer.with_rate(optimizer.state(100), rate / 7)
train((*hundred, slots), order, tf.constant(2))
print("with other rates, for two steps:", programs())

twice = tf.concat([order, order], axis=-1)
train((*hundred, slots), twice, tf.constant(2))
print("with batches of 64:", programs())

# %% [markdown]
# *Numbers* are arguments of the program, so they can change from call to call.
# *Structure* determines the operations and the array shapes, so a new structure
# needs a new program.
#
# | numbers: no new program | structure: one program each |
# |---|---|
# | learning rate, weight decay, dropout rate | width, depth, activation |
# | seed: initial weights, image order, noise | batch norm, and where it goes |
# | label noise, size of the training subset | batch size |
# | scale of the initial weights | optimizer, loss, metrics |

# %% [markdown]
# ## Layers that can't be mapped
#
# TensorFlow can't map some operations, such as a convolution with different kernels
# for each run. `fit_many` temporarily replaces such a layer's class but keeps its
# weights and settings. `MatmulConv2D` computes a convolution as a matrix product.
# `for_all_runs` is `tf.vectorized_map` with a clearer error message.

# %% tags=["nbval-check-output"]
from course_utils.training import layers as mappable
from course_utils.training import program

cnn = models.cnn(input_shape=(64,))
two = [tf.stack([w.numpy()] * 2) for w in cnn.trainable_variables]
for replacements in {}, mappable.REPLACEMENTS:
    with mappable.replaced(cnn, replacements):
        layer = type(cnn.layers[1]).__name__
        try:
            both = program.for_all_runs(lambda run: cnn.stateless_call(
                run, [], ten, training=True)[0], two)
            print(f"{layer}: mapped")
        except program.NotMappable as operation:
            print(f"{layer}: TensorFlow can't map {operation}")
print("same outputs:", np.allclose(both[1], cnn(ten), atol=1e-5))

# %% [markdown]
# A `Dropout` layer can't be mapped either, because it draws from a random
# generator. Its replacement *computes* the mask: it scrambles a unit's position,
# the run's seed, and the step into one integer and keeps the unit if that integer
# is large enough. A run's masks therefore don't depend on the other runs in its
# stack.
#
# The next cell computes masks for three dropout rates, and for the highest rate
# again with another seed. If a unit survives a rate of 0.8, does it also survive
# 0.2?

# %% tags=["nbval-check-output"]
from course_utils.training import noise


def mask(run):
    key, rate = run
    stream = noise.Stream(key, tf.constant(0), None)
    return stream.bits((32, 20)) >= tf.cast(rate * 2.0**32, tf.uint32)


keys = tf.constant([noise.run_key(s) for s in (0, 0, 0, 1)], tf.uint32)
dropout = tf.constant([0.2, 0.5, 0.8, 0.8])
masks = program.for_all_runs(mask, (keys, dropout))
print("share kept:", np.mean(masks, axis=(1, 2)).round(1))
print("kept at 0.8, so at 0.2:", np.greater_equal(masks[0], masks[2]).all())
print("same mask with seed 1:", np.array_equal(masks[2], masks[3]))

# %% [markdown]
# ## How `fit_many` checks itself
#
# When TensorFlow can't map an operation, it raises an error. When it maps one
# incorrectly, nothing warns you. In the next cell, `keras.ops.pad` puts a one on
# each side of a row of zeros. Compare the row on its own with the same row in a
# stack.

# %%
def pad(x):
    return keras.ops.pad(x, [[0, 0], [1, 1]], constant_values=1.0)


zeros = tf.zeros((2, 1, 3))          # two runs with one sample each
print("alone: ", pad(zeros[0])[0].numpy())
print("mapped:", program.for_all_runs(pad, zeros)[0, 0].numpy())

# %% [markdown]
# The mapped operation dropped the ones. A network with such a layer would still
# train.
#
# `fit_many` therefore compares the program of every structure with plain,
# uncompiled Keras before training. Both take three steps with the same random
# numbers. The losses, weight updates, running averages, and optimizer states must
# agree. If they differ in float32, `fit_many` repeats the comparison in float64 in
# case the difference is only rounding. What will it say about a model that pads its
# inputs?

# %%
import warnings

from keras import layers


def padded(input_shape, classes):
    return keras.Sequential([
        keras.Input(input_shape), layers.Lambda(pad),
        layers.Dense(classes, activation="softmax")])


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    fit_many(padded, digits, {"seed": range(2)}, epochs=1, dtype="float64")
print(*[warning.message for warning in caught], sep="\n")

# %% [markdown]
# The losses differ, so `fit_many` trains the two networks one by one and checks
# that slower program the same way. If this check fails, too, it falls back to
# Keras's own layers without XLA. If even that doesn't match, it refuses to train
# the model. Models that can't be mapped, such as recurrent networks, are also
# trained one by one.

# %% [markdown]
# ## Ten at a time, on every core
#
# `fit_many` trains blocks of ten networks (fewer if they are large; more on a
# graphics card), and each free core of your computer takes the next block. Ten
# small networks fit into a core's cache, and one program serves grids of any size:
# copies fill up the last block. Only a single run gets its own program.
#
# The next cell quotes the course's benchmarks. In the first line, a single network
# gains mainly because Python stays out of the loop. The second line adds the gain
# from stacks and cores. The third includes the time to compile, once per structure.
# For one short training, `model.fit` is therefore the better tool.

# %%
from course_utils.tools import measured

for work in ("one_mlp", "sweep_warm", "sweep_cold"):
    print(measured.ratio(work))

# %% [markdown]
# ## Why two trainings drift apart
#
# Why did we compare in float64 and over a few steps? To find out, we'll train each
# network twice. The second time, the initial weights are larger by about one unit
# in the *last digit* stored. Such small differences also arise when a program adds
# numbers in another order or runs on another processor.
#
# The figure shows how far apart the two validation losses are in the worst of ten
# seeds, at a good learning rate and one that's too high. Which curves rise?

# %%
drift = {}
for dtype, digit in {"float32": 2.0**-23, "float64": 2.0**-52}.items():
    pairs = fit_many(
        models.mlp, digits, epochs=7, evaluate_every=11, dtype=dtype,
        grid={"batch_norm": True, "learning_rate": [0.1, 4.0],
              "seed": range(10), "initial_scale": [1.0, 1.0 + digit]})
    apart = abs(pairs.val_loss.diff("initial_scale"))
    drift[dtype] = apart.squeeze("initial_scale").max("seed")

# %%
from course_utils import plots

figure, (left, right) = plots.panels(2)
for ax, at in (left, 0.1), (right, 4.0):
    for dtype, curve in drift.items():
        ax.semilogy(curve.step, curve.sel(learning_rate=at), label=dtype,
                    marker="")
    ax.set(xlabel="steps", ylim=(1e-18, 1e2),
           yticks=10.0 ** np.arange(-18, 3, 3))
left.set(ylabel="difference of validation losses",
         title="Good rate: float64 stays close")
right.set_title("Rate too high: neither stays close")
_ = left.legend()

# %% [markdown]
# At the good rate, the two networks stay together in float64 but can drift apart in
# float32. At the high rate, training is chaotic: in either precision, the
# difference grows until the two networks have little in common.
#
# So compare two programs in float64, over a few steps or at a good learning rate.
# Don't expect a float32 training to give the same last digits on another computer,
# even with `model.fit`. That's one more reason to trust a mean over seeds,
# not one run.

# %% [markdown]
# ## Where to look in the code
#
# The code is in `course_utils/training`; its `__init__.py` describes every module.
# Start with `program.py` (the mapped step and the compiled loop), `layers.py`
# (layers that can be mapped), `verify.py` (the comparison with plain Keras), and
# `blocks.py` (blocks of ten).
#
# **References**
#
# - A. Agarwal: *Static automatic batching in TensorFlow*, ICML 2019 (how
#   `tf.vectorized_map` works).
# - A. Sabne: *XLA: compiling machine learning for peak performance*, Google 2020.
# - R. Frostig, M. J. Johnson, C. Leary: *Compiling machine learning programs via
#   high-level tracing*, SysML 2018 (JAX and its `vmap`).
# - C. Summers, M. J. Dinneen: *Nondeterminism and instability in neural network
#   optimization*, ICML 2021 (one changed bit in the initial weights).
