"""Checks of exercise 02: batch normalization, in NumPy and in Keras.

Its questions about networks that are trained already are in `pretrained_networks`.
"""

import functools
import itertools

import numpy as np

from course_utils.checks import array, arrays, call, check, close, expect, expect_close
from course_utils.checks.shared import central_differences, choice, classifier, dimensions, objections

ENOUGH = 0.9        # validation accuracy from which a network counts as trained


@check("2.1", "the forward pass normalizes every feature over the batch")
def forward(batch_norm_forward, rng):
    out = functools.partial(_output, batch_norm_forward)
    x = rng.normal(3, 5, (8, 8))   # square: averaging over the wrong axis raises no error
    normalized = out(x)
    expect(not close(normalized, 1), "gamma and beta are swapped", "gamma multiplies, beta is added")
    expect_close(normalized.mean(0), 0, "a feature leaves with a mean other than 0",
                 "average over the batch, axis 0, and subtract that")
    expect(not close(normalized.var(0), 7 / 8), "a feature leaves with variance (N − 1)/N",
           "the batch variance divides by N, not by N − 1")
    expect_close(normalized.var(0), 1, "a feature leaves with a variance other than 1",
                 "divide by the root of the variance over the batch")
    gamma, beta = rng.uniform(1, 2, (2, 8)) * [[1], [3]]
    expect_close(out(x, gamma, beta), gamma * normalized + beta, "gamma and beta do not act on the normalized values",
                 "multiply by gamma and add beta last of all")
    x[:, 0] = 5
    expect(np.isfinite(out(x)).all(), "a constant feature gives nan", "add epsilon under the root")
    x = rng.normal(0, 1, (6, 3))
    expect_close(out(x, gamma[:3], beta[:3], 0.5), keras_layer(gamma[:3], beta[:3], 0.5)(x, training=True),
                 "with epsilon = 0.5 Keras gives other values",
                 "add the argument epsilon to the variance, under the root")


def _output(batch_norm, x, gamma=1.0, beta=0.0, epsilon=1e-6):
    """What a learner's forward pass makes of `x`, by default without scale and shift."""
    ones = np.ones(x.shape[-1])
    return array(call(batch_norm, {"x": x, "gamma": gamma * ones, "beta": beta * ones, "epsilon": epsilon}), x.shape)


@check("2.2", "the running statistics follow the batches as in Keras")
def running_statistics(update_running, rng):
    x = rng.normal(3, 2, (8, 8))
    mean, variance = rng.uniform(-2, 0, 8), rng.uniform(6, 9, 8)
    for momentum in (0.8, 0.99):
        value = call(update_running, {"moving_mean": mean, "moving_variance": variance, "x": x, "momentum": momentum})
        new_mean, new_variance = arrays(value, {"moving_mean": (8,), "moving_variance": (8,)})
        layer = keras_layer(np.ones(8), np.zeros(8), 1e-3, mean, variance, momentum)
        layer(x, training=True)
        right_mean, right_variance = np.array(layer.moving_mean), np.array(layer.moving_variance)
        expect(not (close(new_mean, right_variance) and close(new_variance, right_mean)),
               "mean and variance are swapped", "return the moving mean first")
        expect(not close(new_mean, momentum * x.mean(0) + (1 - momentum) * mean),
               "momentum is the wrong way round", "in Keras it is the share of the old value that stays")
        expect(not close(new_mean, x.mean(0)), "the old running statistics are forgotten",
               "move only a little toward the batch")
        expect_close(new_mean, right_mean, "the moving mean is not that of Keras",
                     "average momentum parts of the old value and 1 − momentum parts of the mean over axis 0")
        unbiased = momentum * variance + (1 - momentum) * x.var(0, ddof=1)
        expect(not close(new_variance, unbiased), "the moving variance takes in an unbiased variance",
               "Keras averages the batch variance that divides by N")
        expect_close(new_variance, right_variance, "the moving variance is not that of Keras",
                     "average the variance just like the mean, not its root")


@check("2.3", "inference uses the running statistics and leaves them alone")
def inference(batch_norm_inference, rng):
    x = rng.normal(3, 5, (6, 3))
    gamma, beta, mean, variance = rng.uniform(1, 2, (4, 3)) * [[1], [3], [2], [9]]

    def out(x, epsilon=0.5):
        value = call(batch_norm_inference, {
            "x": x, "gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance,
            "epsilon": epsilon}, hint="inference only reads the running statistics and its other inputs")
        return array(value, x.shape)

    together = out(x)
    alone = np.concatenate([out(x[row:row + 1]) for row in range(len(x))])
    expect_close(together, alone, "a sample's output depends on the rest of its batch",
                 "normalize with the running statistics, not with those of the batch")
    normalized = (together - beta) / gamma
    swapped = (together - gamma) / beta
    right = (np.array(keras_layer(gamma, beta, 0.5, mean, variance)(x, training=False)) - beta) / gamma
    expect(not close(swapped, right), "gamma and beta are swapped", "gamma multiplies, beta is added")
    expect(not close(normalized, (x - mean) / np.sqrt(variance)), "epsilon has no effect",
           "add it to the moving variance, under the root")
    expect_close(normalized, right, "Keras gives other values",
                 "subtract the moving mean, divide by the root of moving variance plus epsilon")


@check("2.4", "the backward pass agrees with numerical gradients")
def backward(batch_norm_backward, rng):
    x, dout = rng.normal(2, 3, (4, 4)), rng.normal(1, 1, (4, 4))
    gamma = rng.uniform(2, 3, 4)

    def gradients(epsilon):
        value = call(batch_norm_backward, {"dout": dout, "x": x, "gamma": gamma, "epsilon": epsilon})
        return arrays(value, {"dx": (4, 4), "dgamma": (4,), "dbeta": (4,)})

    dx, dgamma, dbeta = gradients(1e-9)
    right_dx, right_dgamma, right_dbeta = numerical_gradients(dout, x, gamma, 1e-9)
    expect(not (close(dgamma, right_dbeta) and close(dbeta, right_dgamma)), "dgamma and dbeta are swapped",
           "return dx, dgamma, dbeta")
    expect(not close(dbeta, right_dbeta / 4), "dbeta is the mean of dout over the batch",
           "every sample passes its gradient on, so add them up")
    expect_close(dbeta, right_dbeta, "dbeta is not the numerical gradient",
                 "beta is added to every sample: add up dout over the batch")
    expect_close(dgamma, right_dgamma, "dgamma is not the numerical gradient",
                 "gamma multiplies the normalized values: weight dout with those, then add up over the batch")
    expect_close(dx.sum(0), 0, "dx of a feature does not add up to 0 over the batch",
                 "a shift of the whole feature changes nothing; the path through the mean is missing")
    expect_close((dx * (x - x.mean(0)) / x.std(0)).sum(0), 0, "dx changes the spread of a feature",
                 "stretching the whole feature changes nothing; the path through the variance is missing")
    expect(not close(dx * gamma, right_dx), "dx ignores gamma", "by the chain rule dout passes gamma first")
    expect_close(dx, right_dx, "dx is not the numerical gradient",
                 "its direction can be right and its size wrong; check each factor 1/N and the root")
    right = numerical_gradients(dout, x, gamma, 1.0)
    for name, given, wanted in zip(["dx", "dgamma"], gradients(1.0), right, strict=False):
        expect_close(given, wanted, f"with epsilon = 1 {name} is not the numerical gradient",
                     "use variance plus epsilon wherever you divide")


@check("2.5", "every channel of the images has one mean and one variance")
def images(batch_norm_images, rng):
    def vanish(*axes):
        return close(normalized.mean(axes), 0)

    out = functools.partial(_output, batch_norm_images)
    # As many images as rows, columns and channels: no wrong axis raises an error. Bright images and
    # bright pixels: a mean over too few axes shows.
    x = (rng.normal(3, 1, (5, 5, 5, 5)) * rng.uniform(1, 3, 5) + rng.normal(0, 2, (5, 1, 1, 1))
         + rng.normal(0, 2, (1, 5, 5, 1)))
    normalized = out(x)
    expect(not close(normalized, 1), "gamma and beta are swapped", "gamma multiplies, beta is added")
    expect(not vanish(3), "the channels of a pixel are normalized together",
           "each channel has statistics of its own; do not average over the last axis")
    expect(not (vanish(0) or vanish(0, 1) or vanish(0, 2)), "pixels of one channel have different means",
           "a filter does the same at every pixel, so average over rows and columns too")
    expect(not vanish(1, 2, 3), "each image is normalized by itself",
           "that is another layer; average over the images of the batch too")
    expect(not vanish(0, 2, 3), "the rows are taken for channels", "in Keras the channels come last")
    expect(not vanish(0, 1, 2, 3) or vanish(0, 1, 2), "all channels share one mean and one variance",
           "C channels have C means; do not average over the last axis")
    expect(vanish(0, 1, 2), "a channel leaves with a mean other than 0",
           "average over images, rows and columns, and subtract that")
    variance, count = normalized.var((0, 1, 2)), x[..., 0].size
    expect(not close(variance, (count - 1) / count), "a channel leaves with variance (n − 1)/n",
           "divide by the number of values n = N·H·W, not by n − 1")
    expect_close(variance, 1, "a channel leaves with a variance other than 1",
                 "take the variance about the mean of the whole channel, and divide by its root")
    gamma, beta = rng.uniform(1, 2, (2, 5)) * [[1], [3]]
    expect_close(out(x, gamma, beta), gamma * normalized + beta, "gamma and beta do not act on the channels",
                 "each channel has one of each; multiply and add along the last axis, last of all")
    x = rng.normal(0, 1, (4, 2, 3, 6))
    gamma, beta = rng.uniform(1, 2, (2, 6)) * [[1], [3]]
    right = np.array(keras_layer(gamma, beta, 0.5)(x.reshape(-1, 6), training=True)).reshape(x.shape)
    expect_close(out(x, gamma, beta, 0.5), right, "with epsilon = 0.5 Keras gives other values",
                 "add the argument epsilon to the variance, under the root")


# Letters of question 2.6: what a true sentence asks of the reader, and why another is false.
TRUE = {
    "b": "in which mode does Keras take the training accuracy, and in which the validation accuracy?",
    "d": "what do the running statistics start from, and how many batches have moved them?",
    "e": "what do these very weights reach when they are given the statistics of the batch?",
    "g": "how much of the start would a momentum of 0.8 leave after as many batches?",
}
FALSE = {
    "a": "who has learned images by heart knows them; look at the row of the training images in inference mode",
    "c": "look at the column of training mode: how large is the gap between training and validation there?",
    "f": "then an answer depends on who else is in the batch; what would become of a single image?",
    "h": "with these very batches training mode is fine; it is not they that are wrong, but what is kept of them",
}


@check("2.6", "the gap is explained, and you can say how much of the start is left")
def cold(explanation, warm_up, rng):
    choice(explanation, TRUE, FALSE, name="explanation", kind="sentence",
           lacking="a sentence that is true of this run is missing", false="a sentence is not true of this run")
    for momentum, steps, share in ((0.8, 7, 0.1), (0.99, 30, 0.02)):
        value = call(warm_up, {"momentum": momentum, "steps": steps, "share": share})
        left, needed = (float(number) for number in arrays(value, {"left": (), "needed": ()}))
        right = left_in_keras(momentum, steps)
        expect(not close(needed, right), "left and needed are swapped", "return left first")
        expect(not close(left, 1 - right), "left is the share that has been replaced",
               "asked for is what still is there of the start")
        expect(not close(left, (1 - momentum)**steps), "momentum is the wrong way round",
               "in Keras it is the share of the old value that stays")
        expect(not close(left, 1 - steps * (1 - momentum)), "every batch takes away the same amount",
               "a batch leaves a share of what the one before has left")
        expect(not close(left, momentum**(steps - 1)) and not close(left, momentum**(steps + 1)),
               "left is one batch off", "after a single batch the share momentum is left")
        expect_close(left, right, f"after {steps} batches a Keras layer still holds another share of its start",
                     "one batch leaves the share momentum; what do two leave?")
        expect(not close(needed, np.log(share) / np.log(momentum)), "needed is a number of batches",
               "the number of batches is given; asked for is a momentum")
        expect(not close(needed, (1 - share)**(1 / steps)), "needed replaces only the share that should be left",
               "solve momentum to the power of steps = share for momentum")
        expect(0 <= needed <= 1, "needed is no momentum", "a momentum is a share, from 0 to 1")
        expect_close(left_in_keras(needed, steps), share, "with the momentum needed another share of the start is left",
                     "solve momentum to the power of steps = share for momentum")


def left_in_keras(momentum, steps):
    """The share of its initial moving mean that Keras's layer still holds after some batches."""
    layer = keras_layer(np.ones(1), np.zeros(1), 1e-3, mean=1.0, momentum=momentum)
    for _ in range(steps):
        layer(np.zeros((2, 1)), training=True)
    return float(layer.moving_mean[0])


@check("2.8", "the network has batch normalization where it belongs, and trains")
def network(build_model, rng):
    plain, normalized = call(build_model, {"batch_norm": False}), call(build_model, {"batch_norm": True})
    x = rng.normal(0, 1, (40, 64)).astype("float32")
    for model in (plain, normalized):
        classifier(model, x)
    _place_of_batch_norm(plain, normalized)
    for model in (plain, normalized):
        middle, ends = _logits(model, (x[:20] + x[20:]) / 2), (_logits(model, x[:20]) + _logits(model, x[20:])) / 2
        expect(not close(middle, ends, 1e-3), "the network is linear", "put an activation behind every hidden layer")
        expect(_learns(model, rng), "the network does not learn an easy task",
               "look for a layer that is frozen or passes nothing on")


def _place_of_batch_norm(plain, normalized):
    from keras import activations, layers

    counts = [sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers)
              for model in (plain, normalized)]
    hidden = sum(isinstance(layer, layers.Dense) for layer in normalized.layers) - 1
    expect(counts[0] == 0, "there is batch normalization with batch_norm=False", "add it only where batch_norm is true")
    expect(hidden >= 2, "there are fewer than two hidden Dense layers", "build the three that the question asks for")
    expect(counts[1] > 0, "there is no batch normalization with batch_norm=True", "add it where batch_norm is true")
    expect(counts[1] == hidden, "not every hidden layer has one batch normalization",
           "one for each hidden Dense layer, none for the last")
    expect(not isinstance(normalized.layers[-1], layers.BatchNormalization), "the output layer is normalized",
           "a softmax over normalized values is never sure; leave the last layer out")
    for before, layer in itertools.pairwise(normalized.layers):
        if isinstance(layer, layers.BatchNormalization):
            linear = isinstance(before, layers.Dense) and before.activation is activations.linear
            expect(linear, "batch normalization does not stand between a Dense layer and its activation",
                   "take the activation out of the Dense layer and put it behind the normalization")
            expect(not before.use_bias, "a Dense layer before a normalization has a bias",
                   "the normalization would subtract it again; use_bias=False")
    expect(all(layer.use_bias for layer in plain.layers if isinstance(layer, layers.Dense)),
           "the plain network lacks biases", "drop them only where a normalization follows")


def _logits(model, x):
    """What goes into the softmax, up to a constant for each sample."""
    logarithms = np.log(np.maximum(np.array(model(x, training=False)), 1e-30))
    return logarithms - logarithms.mean(1, keepdims=True)


def _learns(model, rng):
    """Whether a few steps lower the loss of telling ten well-separated groups apart."""
    import keras

    y = np.arange(320) % 10
    x = (4 * np.eye(10, 64)[y] + rng.normal(0, 0.3, (320, 64))).astype("float32")
    model.compile(keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy")
    losses = model.fit(x, y, epochs=6, batch_size=16, shuffle=False, verbose=0).history["loss"]
    return losses[-1] < 0.7 * losses[0]


@check("2.9", "the largest learning rate that still trains is found in any sweep")
def largest(largest_rate, rng):
    def rate(runs, batch_norm):
        return float(array(call(largest_rate, {"runs": runs, "batch_norm": batch_norm}), ()))

    rates = np.sort(rng.uniform(0.01, 10, 5))
    good, poor = 0.95, 0.3
    runs = made_up_runs(rates, {False: [poor, 0.99, good, poor, poor], True: [good, 0.99, good, good, poor]})
    plain, normalized = rate(runs, False), rate(runs, True)
    expect(not close([plain, normalized], rates[[3, 2]]), "the two networks are mixed up",
           "select the runs with batch_norm as it was asked for")
    expect(not close([plain, normalized], rates[1]), "the rate with the best accuracy is not the largest that trains",
           "compare with 0.9, then take the largest rate")
    expect(not close([plain, normalized], rates[[1, 0]]), "the smallest rate is returned",
           "take the largest of the rates that train")
    expect(not close(plain, normalized), "both networks get the same rate",
           "select the runs with batch_norm as it was asked for")
    late = made_up_runs(rates, {False: [good] * 5, True: [good] * 5})
    late.val_accuracy[4, :, :, -1] = poor
    expect_close(rate(late, True), rates[3], "a network that trained and then fell apart counts as trained",
                 "look at the last epoch only")
    lucky = made_up_runs(rates, {False: [good] * 5, True: [good] * 5})
    lucky.val_accuracy[4, :, 1:] = poor
    expect_close(rate(lucky, True), rates[3], "one lucky seed is enough for a rate to count",
                 "average over the seeds first")
    unlucky = made_up_runs(rates, {False: [0.99] * 5, True: [0.99] * 5})
    unlucky.val_accuracy[4, :, 0] = 0.89
    expect_close(rate(unlucky, True), rates[4], "one seed below 0.9 is enough for a rate to fail",
                 "it is the mean over the seeds that has to reach 0.9")
    expect_close([plain, normalized], rates[[2, 3]], "a made-up sweep gives another rate",
                 "the mean over the seeds, in the last epoch, has to reach 0.9")


def made_up_runs(rates, accuracies, seeds=3, epochs=4):
    """What `fit_many` would return, with these accuracies for each value of ``batch_norm``."""
    import xarray as xr

    values = np.array([accuracies[batch_norm] for batch_norm in (False, True)]).T[:, :, None, None]
    scores = np.broadcast_to(values, (len(rates), 2, seeds, epochs)).copy()
    return xr.Dataset(
        {"val_accuracy": (("learning_rate", "batch_norm", "seed", "epoch"), scores)},
        {"learning_rate": rates, "batch_norm": [False, True], "seed": range(seeds), "epoch": range(1, epochs + 1)})


@check("2.10", "the sweep shows where either network stops training")
def sweep(runs, rng):
    dimensions(runs, {"learning_rate", "batch_norm", "seed", "epoch"})
    expect({bool(value) for value in runs.batch_norm.values} == {False, True}, "only one of the networks was trained",
           "the grid needs batch_norm=[False, True]")
    expect(runs.sizes["seed"] >= 3, "there are fewer than three seeds", "one or two runs may be luck")
    final = runs.val_accuracy.isel(epoch=-1).mean("seed").sortby("learning_rate")
    plain, normalized = (_edge(final.sel(batch_norm=value)) for value in (False, True))
    expect(0.08 <= plain <= 0.95, "the plain network stops training at an unexpected rate",
           "train on the digits as they are, for ten epochs or more")
    expect(2 * plain <= normalized <= 8, "the network with batch norm stops training at an unexpected rate",
           "see that check 2.8 passes, and train for ten epochs or more")


def _edge(accuracy):
    """The largest rate that trains, where the sweep pins it down."""
    trains = accuracy.values >= ENOUGH
    rates = accuracy.learning_rate.values
    name = "the network with batch norm" if accuracy.batch_norm else "the plain network"
    expect(trains.any(), f"{name} trains at none of your rates", "try smaller ones, or more epochs")
    last = np.flatnonzero(trains)[-1]
    expect(last + 1 < len(rates), f"{name} still trains at your largest rate",
           "you have seen no edge yet; try larger rates")
    expect(rates[last + 1] <= 4 * rates[last], f"the rates around the edge of {name} are far apart",
           "space them evenly on a logarithmic scale, three or more in a decade")
    return rates[last]


# Letters of question 2.13: what a flaw asks of the reader, and why another objection is none.
MISSING = {
    "a": "how would the picture look if the whole experiment were run again?",
    "b": "who chose the learning rate, and for which of the two networks?",
    "e": "is the plain network one that anybody would build today?",
    "g": "does the title speak of more than the curves show?",
}
SOUND = {
    "c": "a common seed pairs the runs, and that makes a comparison sharper",
    "d": "count the trainable parameters of both networks before you object to them",
    "f": "ask which data a network should be judged by, those it has seen or those it has not",
    "h": "a transformed axis could not turn round which curve is the higher one",
}


@check("2.13", "you found every flaw, and nothing that is none")
def referee(flaws, rng):
    objections(flaws, MISSING, SOUND)


def keras_layer(gamma, beta, epsilon, mean=0.0, variance=1.0, momentum=0.99):
    """Keras's layer in float64 with these weights."""
    from keras import layers

    layer = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, dtype="float64")
    layer.build((None, len(gamma)))
    ones = np.ones(len(gamma))
    layer.set_weights([gamma, beta, mean * ones, variance * ones])
    return layer


def numerical_gradients(dout, x, gamma, epsilon):
    """Central differences of ``sum(dout * output)`` of Keras's layer, by x, gamma and beta."""
    beta = np.zeros(len(gamma))
    layer = keras_layer(gamma, beta, epsilon)

    def total(x=x, gamma=gamma, beta=beta):
        layer.gamma.assign(gamma)
        layer.beta.assign(beta)
        return np.sum(dout * np.array(layer(x, training=True)))

    return [central_differences(total, x), central_differences(lambda gamma: total(gamma=gamma), gamma),
            central_differences(lambda beta: total(beta=beta), beta)]
