"""Checks of exercise 02: batch normalization, in NumPy and in Keras.

Its questions about networks that are trained already are in `pretrained_networks`.
"""

import functools
import itertools

import numpy as np

from course_utils.checks import Violated, array, arrays, call, check, close, expect, expect_close, expect_none_of
from course_utils.checks.shared import central_differences, choice, classifier, dimensions, objections
from course_utils.models import all_layers

ENOUGH = 0.9        # validation accuracy from which a network counts as trained


@check("2.1", "the forward pass normalizes every feature over the batch")
def forward(batch_norm_forward, rng):
    out = functools.partial(_output, batch_norm_forward)
    x, gamma, beta = rng.normal(1, 5, (9, 5)), *parameters(rng, 5)
    normalized = out(x)
    expect(not close(normalized, 1), "gamma and beta are swapped", "gamma multiplies, beta is added")
    expect_close(normalized.mean(0), 0, "the mean of a normalized feature is not 0",
                 "subtract the mean over the batch, axis 0")
    expect(not close(normalized.var(0), 8 / 9), "the variance of a normalized feature is (N − 1)/N",
           "the batch variance divides by N, not by N − 1")
    expect_close(normalized.var(0), 1, "the variance of a normalized feature is not 1",
                 "divide by the square root of the variance over the batch")
    expect_close(out(x, gamma, beta), gamma * normalized + beta, "gamma and beta do not act on the normalized values",
                 "multiply by gamma and add beta as the last step")
    x[:, 0] = 5
    expect(np.isfinite(out(x)).all(), "a constant feature gives nan", "add epsilon under the square root")
    x, gamma, beta = rng.normal(0, 1, (4, 6)).astype("float32"), *parameters(rng, 6)
    expect_close(out(x, gamma, beta, 0.5), keras_layer(gamma, beta, 0.5)(x, training=True),
                 "with epsilon = 0.5, Keras gives different values",
                 "add the argument epsilon to the variance, under the square root")


def parameters(rng, features):
    """γ and β of both signs; one of them is 0."""
    gamma, beta = rng.uniform(1, 2, (2, features)) * [[1], [3]]
    gamma[::2] *= -1
    beta[1::2] *= -1
    gamma[1] = 0
    return gamma, beta


def _output(batch_norm, x, gamma=1.0, beta=0.0, epsilon=1e-6):
    """What a learner's forward pass makes of `x`, by default without scale and shift."""
    ones = np.ones(x.shape[-1])
    return array(call(batch_norm, {"x": x, "gamma": gamma * ones, "beta": beta * ones, "epsilon": epsilon}), x.shape)


@check("2.2", "the running statistics follow the batches as in Keras")
def running_statistics(update_running, rng):
    spread = np.array([0.1, 10, 1, 0.3, 3])
    x, mean = rng.normal(0.5, 1, (9, 5)) * spread, rng.normal(0, 2, 5) * spread
    variance = rng.uniform(1, 3, 5) * spread**2
    for momentum in (0.3, 0.99):
        value = call(update_running, {"moving_mean": mean, "moving_variance": variance, "x": x, "momentum": momentum})
        new_mean, new_variance = arrays(value, {"moving_mean": (5,), "moving_variance": (5,)})
        layer = keras_layer(np.ones(5), np.zeros(5), 1e-3, mean, variance, momentum)
        layer(x, training=True)
        right_mean, right_variance = np.array(layer.moving_mean), np.array(layer.moving_variance)
        expect(not (close(new_mean, right_variance) and close(new_variance, right_mean)),
               "mean and variance are swapped", "return the moving mean first")
        expect_none_of(new_mean, (
            (momentum * x.mean(0) + (1 - momentum) * mean, "momentum is the wrong way around",
             "in Keras, it is the share of the old value that is kept"),
            (x.mean(0), "the old running statistics are discarded", "move only a little toward the batch")))
        expect_close(new_mean, right_mean, "the moving mean differs from Keras's",
                     "add momentum times the old value and 1 − momentum times the mean over axis 0")
        expect(not close(new_variance, momentum * variance + (1 - momentum) * x.var(0, ddof=1)),
               "the moving variance uses the unbiased variance",
               "Keras averages the batch variance that divides by N")
        expect_close(new_variance, right_variance, "the moving variance differs from Keras's",
                     "average the variance just like the mean, without a square root and without epsilon")


@check("2.3", "inference uses the running statistics and does not change them")
def inference(batch_norm_inference, rng):
    x, (gamma, beta) = rng.normal(1, 5, (6, 3)), parameters(rng, 3)
    mean, variance = rng.normal(0, 3, 3), rng.uniform(0.2, 9, 3)

    def out(x):
        value = call(batch_norm_inference, {
            "x": x, "gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance,
            "epsilon": 0.5}, hint="inference only reads the running statistics and its other inputs")
        return array(value, x.shape)

    def keras_gives(gamma=gamma, beta=beta, epsilon=0.5):
        return np.array(keras_layer(gamma, beta, epsilon, mean, variance)(x, training=False))

    together = out(x)
    alone = np.concatenate([out(x[row:row + 1]) for row in range(len(x))])
    expect_close(together, alone, "a sample's output depends on the rest of its batch",
                 "normalize with the running statistics, not with batch statistics")
    expect_none_of(together, (
        (keras_gives(beta, gamma), "gamma and beta are swapped", "gamma multiplies, beta is added"),
        (keras_gives(epsilon=0), "epsilon has no effect", "add it to the moving variance, under the square root")))
    expect_close(together, keras_gives(), "Keras gives different values",
                 "subtract the moving mean and divide by the square root of moving variance plus epsilon")


@check("2.4", "the backward pass agrees with numerical gradients")
def backward(batch_norm_backward, rng):
    for n, d in ((5, 3), (3, 6)):
        x, dout, (gamma, _) = rng.normal(1, 3, (n, d)), rng.normal(0.5, 1, (n, d)), parameters(rng, d)
        x[0, 0] = dout[1, 1] = 0

        def gradients(epsilon, given):
            value = call(batch_norm_backward, given | {"epsilon": epsilon})
            return arrays(value, {name: given[like].shape for name, like in (
                ("dx", "x"), ("dgamma", "gamma"), ("dbeta", "gamma"))})

        given = {"dout": dout, "x": x, "gamma": gamma}
        dx, dgamma, dbeta = gradients(1e-9, given)
        right_dx, right_dgamma, right_dbeta = numerical_gradients(dout, x, gamma, 1e-9)
        expect(not (close(dgamma, right_dbeta) and close(dbeta, right_dgamma)), "dgamma and dbeta are swapped",
               "return dx, dgamma, dbeta")
        expect(not close(dbeta, right_dbeta / n), "dbeta is the mean of dout over the batch",
               "every sample contributes its gradient, so take the sum")
        expect_close(dbeta, right_dbeta, "dbeta is not the numerical gradient",
                     "beta is added to every sample, so sum dout over the batch")
        expect_close(dgamma, right_dgamma, "dgamma is not the numerical gradient",
                     "gamma multiplies the normalized values: multiply dout by them, then sum over the batch")
        expect(not close(dx * gamma, right_dx), "dx ignores gamma",
               "by the chain rule, dout is first multiplied by gamma")
        expect_close(dx.sum(0), 0, "dx of a feature does not add up to 0 over the batch",
                     "shifting the whole feature changes nothing, so check how the gradient flows through the mean")
        expect_close((dx * (x - x.mean(0)) / x.std(0)).sum(0), 0, "dx changes the spread of a feature",
                     "stretching the feature changes nothing, so check how the gradient flows through the variance")
        expect_close(dx, right_dx, "dx is not the numerical gradient",
                     "even if its direction is right, its size may be wrong: check each 1/N and the square root")
        right = numerical_gradients(dout, x, gamma, 1.0)
        for name, part, wanted in zip(["dx", "dgamma"], gradients(1.0, given), right, strict=False):
            expect_close(part, wanted, f"with epsilon = 1, {name} is not the numerical gradient",
                         "use variance plus epsilon wherever you divide")


@check("2.5", "every channel of the images has one mean and one variance")
def images(batch_norm_images, rng):
    def vanish(*axes):
        return close(normalized.mean(axes), 0)

    out = functools.partial(_output, batch_norm_images)
    # Bright images and bright pixels: a mean over too few axes shows.
    x = (rng.normal(1, 1, (4, 2, 3, 5)) * rng.uniform(1, 3, 5) + rng.normal(0, 2, (4, 1, 1, 1))
         + rng.normal(0, 2, (1, 2, 3, 1)))
    normalized = out(x)
    expect(not close(normalized, 1), "gamma and beta are swapped", "gamma multiplies, beta is added")
    expect(not vanish(3), "the channels of a pixel are normalized together",
           "each channel has its own statistics, so do not average over the last axis")
    expect(not (vanish(0) or vanish(0, 1) or vanish(0, 2)), "pixels of one channel have different means",
           "a filter does the same thing at every pixel, so average over rows and columns too")
    expect(not vanish(1, 2, 3), "each image is normalized by itself",
           "that is a different kind of layer; average over the images of the batch too")
    expect(not vanish(0, 2, 3), "the rows are treated as channels", "in Keras, the channels come last")
    expect(not vanish(0, 1, 2, 3) or vanish(0, 1, 2), "all channels share one mean and one variance",
           "C channels have C means, so do not average over the last axis")
    expect(vanish(0, 1, 2), "the mean of a normalized channel is not 0",
           "subtract the mean over images, rows, and columns")
    variance, count = normalized.var((0, 1, 2)), x[..., 0].size
    expect(not close(variance, (count - 1) / count), "the variance of a normalized channel is (n − 1)/n",
           "divide by the number of values n = N·H·W, not by n − 1")
    expect_close(variance, 1, "the variance of a normalized channel is not 1",
                 "take the variance about the mean of the whole channel, and divide by its square root")
    gamma, beta = parameters(rng, 5)
    expect_close(out(x, gamma, beta), gamma * normalized + beta, "gamma and beta do not act on the channels",
                 "each channel has one of each; multiply and add along the last axis as the last step")
    x, gamma, beta = rng.normal(0, 1, (5, 6, 2, 3)).astype("float32"), *parameters(rng, 3)
    right = np.array(keras_layer(gamma, beta, 0.5)(x.reshape(-1, 3), training=True)).reshape(x.shape)
    expect_close(out(x, gamma, beta, 0.5), right, "with epsilon = 0.5, Keras gives different values",
                 "add the argument epsilon to the variance, under the square root")


# Letters of question 2.6: hints for the true sentences, and for the false ones.
TRUE = {
    "b": "in which mode does Keras measure the training accuracy, and in which the validation accuracy?",
    "d": "where do the running statistics start, and how many batches have updated them?",
    "e": "how accurate are these same weights when they use the statistics of the batch?",
    "g": "how much of the initial value would a momentum of 0.8 leave after the same number of batches?",
}
FALSE = {
    "a": "a network that memorized its images knows them in inference mode; look at the row of the training images",
    "c": "look at the column of training mode: how large is the gap between training and validation there?",
    "f": "then an answer depends on the rest of the batch; what would happen to a single image?",
    "h": "training mode works well with these same batches, so ask what the running averages keep of them",
}


@check("2.6", "you explain the gap and compute how much of the initial value remains")
def cold(explanation, warm_up, rng):
    choice(explanation, TRUE, FALSE, name="explanation", kind="sentence",
           lacking="you missed a true sentence", false="one of your sentences is not true of this run")
    for momentum, steps, share in ((0.8, 7, 0.1), (0.99, 30, 0.02)):
        value = call(warm_up, {"momentum": momentum, "steps": steps, "share": share})
        left, needed = (float(number) for number in arrays(value, {"left": (), "needed": ()}))
        right = left_in_keras(momentum, steps)
        expect(not close(needed, right), "left and needed are swapped", "return left first")
        expect(not close(left, 1 - right), "left is the share that has been replaced",
               "return the share of the initial value that remains")
        expect(not close(left, (1 - momentum)**steps), "momentum is the wrong way around",
               "in Keras, it is the share of the old value that is kept")
        expect(not close(left, 1 - steps * (1 - momentum)), "every batch removes the same amount",
               "each batch keeps a fixed share of what was left before it")
        expect(not close(left, momentum**(steps - 1)) and not close(left, momentum**(steps + 1)),
               "left is off by one batch", "after a single batch, the share momentum is left")
        expect_close(left, right, f"after {steps} batches, a Keras layer holds a different share of its initial value",
                     "one batch leaves the share momentum; what do two leave?")
        expect(not close(needed, np.log(share) / np.log(momentum)), "needed is a number of batches",
               "the number of batches is given, so return a momentum")
        expect(not close(needed, (1 - share)**(1 / steps)), "needed replaces only the share that should be left",
               "solve momentum to the power of steps = share for momentum")
        expect(0 <= needed <= 1, "needed is not a valid momentum", "a momentum is a share, from 0 to 1")
        expect_close(left_in_keras(needed, steps), share, "the momentum needed leaves a different share",
                     "solve momentum to the power of steps = share for momentum")


def left_in_keras(momentum, steps):
    """The share of its initial moving mean that Keras's layer still holds after some batches."""
    layer = keras_layer(np.ones(1), np.zeros(1), 1e-3, mean=1.0, momentum=momentum)
    for _ in range(steps):
        layer(np.zeros((2, 1)), training=True)
    return float(layer.moving_mean[0])


@check("2.8", "the network has batch normalization where it belongs, and trains")
def network(build_model, rng):
    x = rng.normal(0, 1, (40, 64)).astype("float32")
    for batch_norm in (False, True):
        model = call(build_model, {"batch_norm": batch_norm})
        classifier(model, x)
        expect(not model.compiled, "the model is already compiled", "leave that to fit_many")
        dense, norms = _layers(model)
        units = [layer.units for layer in dense]
        expect(units == [64, 64, 64, 10], f"the Dense layers have {', '.join(map(str, units))} units",
               "build three hidden layers of 64 units and an output layer of 10")
        expect(len(norms) == 3 * batch_norm,
               f"with batch_norm={batch_norm}, there are {len(norms)} batch normalizations",
               "if batch_norm is true, each hidden layer gets one, and no other layer does")
        expect(all(layer.use_bias != batch_norm for layer in dense[:3]),
               f"with batch_norm={batch_norm}, a hidden Dense layer has {'a' if batch_norm else 'no'} bias",
               "normalization cancels the bias, so leave it out there, and only there")
        expect(_learns(model, rng), "the network does not learn an easy task",
               "look for a layer that is frozen or outputs only zeros")
        _judge_outputs(model, x)


def _layers(model):
    """The Dense layers of a model and its batch normalizations, also inside nested models, each in their order."""
    from keras import layers

    order = [id(weight) for weight in model.weights]
    return [sorted((layer for layer in all_layers(model) if isinstance(layer, kind)),
                   key=lambda layer: order.index(id(layer.weights[0])))
            for kind in (layers.Dense, layers.BatchNormalization)]


def _judge_outputs(model, x):
    """Judge what a model computes from its weights, in both modes."""
    dense, norms = _layers(model)

    def logits(steps, training):
        z = x
        for layer, norm in itertools.zip_longest(dense, norms):
            z = z @ np.array(layer.kernel) + (np.array(layer.bias) if layer.use_bias else 0)
            for step in steps.split() if layer is not dense[-1] else ():
                z = np.maximum(z, 0) if step == "relu" else np.array(norm(z, training=training)) if norm else z
        return z

    # What goes into the softmax, up to a constant for each sample: first in inference mode, then in training mode.
    outputs = np.array([[np.log(np.maximum(model(x, training=training), 1e-30)),
                         *[logits(steps, training) for steps in ("norm relu", "norm", "relu norm", "relu norm relu")]]
                        for training in (False, True)])
    given, right, linear, late, twice = np.swapaxes(outputs - outputs.mean(-1, keepdims=True), 0, 1)
    fixed = any(node.arguments.kwargs.get("training") is not None for norm in norms for node in norm._inbound_nodes)
    expect(not norms or not (fixed or close(*given, 1e-3)), "the normalization is tied to one mode",
           "call it without the argument training, so that Keras can choose the mode")
    if not close(given, right, 1e-3):
        expect_none_of(given, (
            (linear, "the network is linear", "put a ReLU after every hidden layer"),
            (late, "batch normalization is not between a Dense layer and its activation",
             "move the activation out of the Dense layer and put it after the normalization"),
            (twice, "a ReLU comes before batch normalization as well as after it",
             "the Dense layer itself should have no activation")), 1e-3)
        raise Violated("the hidden layers do not compute what the question asks for: use only Dense, "
                       "BatchNormalization if batch_norm is true, and ReLU")


def _learns(model, rng):
    """Whether a few steps lower the loss of telling ten well-separated groups apart."""
    import keras

    y = np.arange(320) % 10
    x = (4 * np.eye(10, 64)[y] + rng.normal(0, 0.3, (320, 64))).astype("float32")
    model.compile(keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy")
    losses = model.fit(x, y, epochs=6, batch_size=16, shuffle=False, verbose=0).history["loss"]
    return losses[-1] < 0.7 * losses[0]


# Made-up accuracies of question 2.9 (seeds × epochs), whether they count as trained, and what is wrong otherwise.
TRAINED = [
    ([[0.99, 0.99, 0.99, 0.7]] * 3, False, "a network that trained and then fell apart counts as trained",
     "look at the last epoch only"),
    ([[0.3, 0.5, 0.7, 0.95]] * 3, True, "a network that needs all of its epochs does not count as trained",
     "look at the last epoch only"),
    ([[0.99], [0.3], [0.3]], False, "one lucky seed is enough for a rate to count", "average over the seeds first"),
    ([[0.899]] * 3, False, "a mean below 0.9 is enough for a rate to count", "the mean has to reach 0.9"),
    ([[0.9]] * 2, True, "a mean of exactly 0.9 is not enough", "at least 0.9 means >= 0.9"),
    ([[0.95], [0.95], [0.95], [0.5]], False, "a rate counts because most of its seeds reach 0.9",
     "the mean over the seeds has to reach 0.9, not the median"),
    ([[0.99], [0.95], [0.95], [0.95], [0.8]], True, "one seed below 0.9 is enough for a rate to fail",
     "only the mean over the seeds has to reach 0.9"),
    ([[0.99], [0.99], [0.89], [0.89], [0.89]], True, "a rate fails because most of its seeds are below 0.9",
     "the mean over the seeds has to reach 0.9, not the median"),
]


@check("2.9", "the largest learning rate that still trains is found in any sweep")
def largest(largest_rate, rng):
    def rate(runs, batch_norm):
        found = float(array(call(largest_rate, {"runs": runs, "batch_norm": batch_norm}), ()))
        expect(np.isclose(found, rates).any(), "the result is not one of the learning rates",
               "return the rate itself, not its index or its accuracy")
        return found

    rates = np.sort(rng.uniform(0.01, 10, 6))
    good, poor = [[0.95]], [[0.3]]
    runs = made_up_runs(rates, {False: [poor, good, [[0.99]], poor, poor, poor],
                                True: [good, poor, [[0.99]], poor, good, poor]})
    answers = [rate(runs, False), rate(runs, True)]
    expect_none_of(answers, (
        (rates[[4, 2]], "the two networks are mixed up", "select the runs by the argument batch_norm"),
        (rates[5], "you return the largest rate tried, which does not train",
         "first keep only the rates whose last accuracy, averaged over the seeds, is at least 0.9"),
        (rates[2], "you return the rate with the best accuracy, not the largest that trains",
         "compare with 0.9, then take the largest rate"),
        (rates[[1, 0]], "you return the smallest rate", "take the largest of the rates that train")))
    expect(not close(*answers), "both networks get the same rate",
           "select the runs by the argument batch_norm")
    expect_close(answers, rates[[2, 4]], "the rate found in a made-up sweep is wrong",
                 "take the largest of all rates that train, even if a smaller one does not")
    for scores, trains, violated, hint in TRAINED:
        column = [good, good, good, good, scores, poor]
        expect_close(rate(made_up_runs(rates, {False: column, True: column}), True), rates[4 if trains else 3],
                     violated, hint)


def made_up_runs(rates, scores):
    """What `fit_many` would return; `scores` holds an array (seeds, epochs) for each ``batch_norm`` and each rate."""
    import xarray as xr

    scores = np.stack([np.stack(np.broadcast_arrays(*scores[batch_norm])) for batch_norm in (False, True)], axis=1)
    return xr.Dataset(
        {"val_accuracy": (("learning_rate", "batch_norm", "seed", "epoch"), scores)},
        {"learning_rate": list(rates), "batch_norm": [False, True], "seed": range(scores.shape[2]),
         "epoch": range(1, scores.shape[3] + 1)})


@check("2.10", "the sweep shows where each network stops training")
def sweep(runs, rng):
    dimensions(runs, {"learning_rate", "batch_norm", "seed", "epoch"})
    runs = runs.assign_coords(batch_norm=runs.batch_norm.values.astype(bool))
    expect(sorted(runs.batch_norm.values) == [False, True], "only one of the networks was trained",
           "the grid needs batch_norm=[False, True]")
    expect(runs.sizes["seed"] >= 3, "there are fewer than three seeds", "one or two runs may be luck")
    expect(runs.sizes["epoch"] >= 10, "the networks were trained for fewer than ten epochs",
           "small rates need more time")
    final = runs.val_accuracy.isel(epoch=-1).mean("seed").sortby("learning_rate")
    plain, normalized = (_edge(final.sel(batch_norm=value)) for value in (False, True))
    expect(0.08 <= plain <= 0.95, "the plain network stops training at an unexpected rate",
           "do not change the digits or the other arguments of fit_many")
    expect(2 * plain <= normalized <= 8, "the network with batch norm stops training at an unexpected rate",
           "make sure that check 2.8 passes")


def _edge(accuracy):
    """The largest rate that trains, where the sweep pins it down."""
    trains = accuracy.values >= ENOUGH
    rates = accuracy.learning_rate.values
    name = "the network with batch norm" if accuracy.batch_norm else "the plain network"
    expect(trains.any(), f"{name} trains at none of your rates", "try smaller ones, or more epochs")
    last = np.flatnonzero(trains)[-1]
    expect(last + 1 < len(rates), f"{name} still trains at your largest rate",
           "you have not found the edge yet, so try larger rates")
    expect(rates[last + 1] <= 4 * rates[last], f"the rates around the edge of {name} are too far apart",
           "space them evenly on a logarithmic scale, three or more per factor of ten")
    return rates[last]


# Letters of question 2.13: hints for the flaws, and for the objections that are not valid.
MISSING = {
    "a": "how would the figure look if the whole experiment were run again?",
    "b": "how was the learning rate chosen, and for which of the two networks?",
    "e": "would anybody build this plain network today?",
    "g": "does the title claim more than the curves show?",
}
SOUND = {
    "c": "a common seed pairs the runs, which makes a comparison more precise",
    "d": "count the trainable parameters of both networks before you object to them",
    "f": "which data should a network be judged on: those it has seen or those it has not?",
    "h": "transforming the axis cannot change which curve is higher",
}


@check("2.13", "you found every flaw and raised no invalid objection")
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
