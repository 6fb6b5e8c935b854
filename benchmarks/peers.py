"""What fit_many is timed against: its sweep written by hand in JAX, and a loop over scikit-learn's networks."""

import functools
import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from course_utils.training import batches
from course_utils.training.structures import cores

WIDTH, DEPTH, CLASSES = 64, 3, 10
MOMENTUM, EPSILON = 0.99, 1e-3  # the defaults of keras.layers.BatchNormalization


# JAX: one network as a formula; `jax.vmap` over the networks; `jax.lax.scan` over steps and epochs.


def initial(seed, batch_norm):
    """Weights and running statistics of one MLP as `models.mlp` starts them."""
    he, glorot = jax.nn.initializers.he_normal(), jax.nn.initializers.glorot_uniform()
    *hidden, last = jax.random.split(jax.random.key(seed), DEPTH + 1)
    gamma = {"gamma": jnp.ones(WIDTH)} if batch_norm else {}
    weights = [{"kernel": he(key, (WIDTH, WIDTH)), "bias": jnp.zeros(WIDTH)} | gamma for key in hidden]
    weights.append({"kernel": glorot(last, (WIDTH, CLASSES)), "bias": jnp.zeros(CLASSES)})
    running = [{"mean": jnp.zeros(WIDTH), "variance": jnp.ones(WIDTH)} if batch_norm else None for _ in hidden]
    return weights, running


def forward(weights, running, x, training):
    """Logits (batch, classes) and the running statistics after this batch."""
    *hidden, last = weights
    after = []
    for layer, average in zip(hidden, running, strict=True):
        x = x @ layer["kernel"]
        if "gamma" in layer:
            now = {"mean": x.mean(0), "variance": x.var(0)} if training else average
            x = (x - now["mean"]) * jax.lax.rsqrt(now["variance"] + EPSILON) * layer["gamma"]
            average = jax.tree.map(lambda old, new: MOMENTUM * old + (1 - MOMENTUM) * new, average, now)
        after.append(average)
        x = jax.nn.relu(x + layer["bias"])
    return x @ last["kernel"] + last["bias"], after


def score(logits, y):
    """Mean loss and accuracy of one batch."""
    right = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], -1)
    return -right.mean(), jnp.mean(logits.argmax(-1) == y)


def step(weights, running, rate, x, y):
    """One step of stochastic gradient descent, for one network."""

    def loss_of(weights):
        logits, after = forward(weights, running, x, training=True)
        loss, accuracy = score(logits, y)
        return loss, (accuracy, after)

    (loss, (accuracy, running)), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights)
    return jax.tree.map(lambda w, g: w - rate * g, weights, gradients), running, (loss, accuracy)


def validate(weights, running, x, y):
    """Loss and accuracy in inference mode, for one network."""
    return score(forward(weights, running, x, training=False)[0], y)


@functools.partial(jax.jit, static_argnames="batch_norm")
def train(seeds, rates, order, x, y, x_val, y_val, *, batch_norm):
    """Train networks side by side: loss, accuracy, val_loss, val_accuracy, each (epochs, runs).

    `seeds` and `rates` are (runs,); `order`, the indices of all batches, is (epochs, steps, runs, batch).
    """

    def one_step(state, batch):
        *state, scores = jax.vmap(step)(*state, rates, x[batch], y[batch])
        return state, scores

    def one_epoch(state, batches):
        state, scores = jax.lax.scan(one_step, state, batches)
        validation = jax.vmap(validate, (0, 0, None, None))(*state, x_val, y_val)
        return state, (*(values.mean(0) for values in scores), *validation)

    state = list(jax.vmap(functools.partial(initial, batch_norm=batch_norm))(seeds))
    return jax.lax.scan(one_epoch, state, order)[1]


def sweep_in_jax(split, rates, seeds, *, epochs, batch_size, block):
    """Final validation accuracies (without and with batch norm, rates, seeds).

    `block` networks share a vmap, and each core trains block after block.
    """
    data = [jnp.asarray(part) for part in (split.x_train, split.y_train, split.x_val, split.y_val)]
    samples = len(split.x_train)
    steps = samples // batch_size
    order = (
        np.stack(
            [
                list(itertools.islice(batches.indices(samples, seed, batch_size=batch_size), epochs * steps))
                for seed in seeds
            ],
            axis=1,
        )
        .reshape(epochs, steps, len(seeds), batch_size)
        .astype(np.int32)
    )
    runs = list(itertools.product(rates, range(len(seeds))))

    def train_block(job):
        batch_norm, start = job
        which = [place for _, place in runs[start : start + block]]
        scores = train(
            np.array(seeds)[which],
            np.array([rate for rate, _ in runs[start : start + block]], np.float32),
            order[:, :, which],
            *data,
            batch_norm=batch_norm,
        )
        return np.asarray(scores)  # (4, epochs, runs of the block): waits for them

    with ThreadPoolExecutor(cores()) as threads:
        scores = threads.map(train_block, itertools.product([False, True], range(0, len(runs), block)))
        final = np.concatenate([block_scores[-1, -1] for block_scores in scores])
    return final.reshape(2, len(rates), len(seeds))


# scikit-learn: one network after the other.


def fit_in_sklearn(split, rate, seed, *, epochs, batch_size=32):
    """Validation accuracy of one plain MLP; in float32, no momentum, no penalty, never stopped early.

    Unlike the others it looks at the validation data only once, and it also trains on the last,
    partial batch of an epoch.
    """
    network = MLPClassifier(
        (WIDTH,) * DEPTH,
        solver="sgd",
        learning_rate_init=rate,
        momentum=0,
        alpha=0,
        batch_size=batch_size,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it was told when to stop
        network.fit(split.x_train, split.y_train)
    return network.score(split.x_val, split.y_val)
