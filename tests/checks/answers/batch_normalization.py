"""Answers to exercise 02."""

import numpy as np
import xarray as xr

from course_utils import models
from course_utils.checks import batch_normalization as bn
from tests.checks.answers import spread

# 2.1


def forward(x, gamma, beta, epsilon):
    print("an answer may print")
    return gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon) + beta


def forward_in_loops(x, gamma, beta, epsilon):
    out = np.empty(x.shape)
    for d in range(x.shape[1]):
        mean = sum(x[:, d]) / len(x)
        variance = sum((x[:, d] - mean) ** 2) / len(x)
        for n in range(x.shape[0]):
            out[n, d] = gamma[d] * (x[n, d] - mean) / (variance + epsilon) ** 0.5 + beta[d]
    return out


def forward_in_keras(x, gamma, beta, epsilon):
    from keras import ops

    mean, variance = ops.moments(x, axes=0)
    return ops.batch_normalization(x, mean, variance, axis=-1, offset=beta, scale=gamma, epsilon=epsilon)


def forward_in_place(x, gamma, beta, epsilon):
    x -= x.mean(0)
    return gamma * x / np.sqrt(x.var(0) + epsilon) + beta


def forward_in_float32(x, gamma, beta, epsilon):
    x, gamma, beta = (part.astype("float32") for part in (x, gamma, beta))
    return forward(x, gamma, beta, epsilon)


FORWARD = [forward, forward_in_loops, forward_in_keras, forward_in_float32]
NOT_FORWARD = {
    "no epsilon": (lambda x, g, b, e: g * (x - x.mean(0)) / x.std(0) + b, "a constant feature gives nan"),
    "unbiased variance": (lambda x, g, b, e: g * (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + e) + b,
                          "the batch variance divides by N"),
    "wrong axis": (lambda x, g, b, e: g * (x - x.mean(1)) / np.sqrt(x.var(1) + e) + b, "stops with ValueError"),
    "divided by D": (lambda x, g, b, e: g * (x - x.sum(0) / x.shape[1]) / np.sqrt(x.var(0) + e) + b,
                     "the mean of a normalized feature is not 0"),
    "variance divided by D": (lambda x, g, b, e: g * (x - x.mean(0)) / np.sqrt(x.var(0) * len(x) / x.shape[1] + e) + b,
                              "the variance of a normalized feature is not 1"),
    "gamma's size": (lambda x, g, b, e: forward(x, abs(g), b, e), "gamma and beta do not act"),
    "wrong axis, kept": (lambda x, g, b, e: g * (x - x.mean(1, keepdims=True))
                         / np.sqrt(x.var(1, keepdims=True) + e) + b, "the mean of a normalized feature is not 0"),
    "all features together": (lambda x, g, b, e: g * (x - x.mean()) / np.sqrt(x.var() + e) + b,
                              "the mean of a normalized feature is not 0"),
    "no root": (lambda x, g, b, e: g * (x - x.mean(0)) / (x.var(0) + e) + b,
                "the variance of a normalized feature is not 1"),
    "gamma and beta swapped": (lambda x, g, b, e: forward(x, b, g, e), "gamma and beta are swapped"),
    "no beta": (lambda x, g, b, e: forward(x, g, 0, e), "gamma and beta do not act"),
    "epsilon outside the root": (lambda x, g, b, e: g * (x - x.mean(0)) / (x.std(0) + e) + b, "epsilon = 0.5"),
    "epsilon of its own": (lambda x, g, b, e: forward(x, g, b, 1e-6), "epsilon = 0.5"),
    "in place": (forward_in_place, "changes its argument x"),
    "wrong shape": (lambda x, g, b, e: forward(x, g, b, e)[0], "has shape (5,): it should be (9, 5)"),
    "several results": (lambda x, g, b, e: (forward(x, g, b, e), x.mean(0)), "return one array"),
    "a word": (lambda x, g, b, e: "normalized", "of type str"),
    "no function": (3, "not a function"),
    "no return": (lambda x, g, b, e: print(x), "end it with return"),
    "an error": (lambda x, g, b, e: x / np.zeros(99), "x / np.zeros(99)"),
}

# 2.2


def running(moving_mean, moving_variance, x, momentum):
    return (momentum * moving_mean + (1 - momentum) * x.mean(0),
            momentum * moving_variance + (1 - momentum) * x.var(0))


def running_as_correction(m, v, x, momentum):
    return [m - (1 - momentum) * (m - x.mean(0)), v + (1 - momentum) * (np.mean((x - x.mean(0)) ** 2, 0) - v)]


def running_in_keras(mean, variance, x, momentum):
    from keras import layers

    layer = layers.BatchNormalization(momentum=momentum)
    layer.build(x.shape)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    layer(x, training=True)
    return layer.moving_mean, layer.moving_variance


def running_in_place(m, v, x, momentum):
    m *= momentum
    m += (1 - momentum) * x.mean(0)
    return m, running(m, v, x, momentum)[1]


def running_in_one_array(*given):
    return np.stack(running(*given))


def running_in_one_tensor(*given):
    from keras import ops

    return ops.stack(running(*given))


RUNNING = [running, running_as_correction, running_in_keras, running_in_one_array, running_in_one_tensor]
NOT_RUNNING = {
    "divided by D": (lambda m, v, x, p: (p * m + (1 - p) * x.sum(0) / x.shape[1], running(m, v, x, p)[1]),
                     "the moving mean differs from Keras's"),
    "epsilon added": (lambda m, v, x, p: (running(m, v, x, p)[0], p * v + (1 - p) * (x.var(0) + 1e-3)),
                      "without epsilon"),
    "variance about 0": (lambda m, v, x, p: (running(m, v, x, p)[0], p * v + (1 - p) * (x**2).mean(0)),
                         "the moving variance differs from Keras's"),
    "momentum the wrong way around": (lambda m, v, x, p: running(m, v, x, 1 - p), "wrong way around"),
    "unbiased variance": (lambda m, v, x, p: (running(m, v, x, p)[0], p * v + (1 - p) * x.var(0, ddof=1)),
                          "uses the unbiased variance"),
    "standard deviation": (lambda m, v, x, p: (running(m, v, x, p)[0], p * v + (1 - p) * x.std(0)), "a square root"),
    "wrong axis": (lambda m, v, x, p: running(m, v, x.T, p), "stops with ValueError"),
    "one value for all features": (lambda m, v, x, p: (p * m + (1 - p) * x.mean(), running(m, v, x, p)[1]),
                                   "the moving mean differs from Keras's"),
    "only the batch": (lambda m, v, x, p: (x.mean(0), x.var(0)), "are discarded"),
    "swapped": (lambda m, v, x, p: running(m, v, x, p)[::-1], "mean and variance are swapped"),
    "in place": (running_in_place, "changes its argument moving_mean"),
    "the mean only": (lambda m, v, x, p: running(m, v, x, p)[0], "return moving_mean, moving_variance"),
    "nothing": (lambda m, v, x, p: print(m), "end it with return"),
}

# 2.3


def inference(x, gamma, beta, moving_mean, moving_variance, epsilon):
    return gamma * (x - moving_mean) / np.sqrt(moving_variance + epsilon) + beta


def inference_folded(x, g, b, m, v, e):
    scale = g / np.sqrt(v + e)
    return x @ np.diag(scale) + (b - m * scale)


def inference_updating(x, g, b, m, v, e):
    out = inference(x, g, b, m, v, e)
    m[:] = 0.99 * m + 0.01 * x.mean(0)
    return out


INFERENCE = [inference, inference_folded]
NOT_INFERENCE = {
    "running statistics updated": (inference_updating, "changes its argument moving_mean: inference only reads"),
    "updated and returned": (lambda x, g, b, m, v, e: (inference(x, g, b, m, v, e), *running(m, v, x, 0.9)),
                             "is 3 values: return one array"),
    "updated before use": (lambda x, g, b, m, v, e: inference(x, g, b, *running(m, v, x, 0.9), e),
                           "depends on the rest of its batch"),
    "batch statistics": (lambda x, g, b, m, v, e: forward(x, g, b, e), "depends on the rest of its batch"),
    "gamma and beta swapped": (lambda x, g, b, m, v, e: inference(x, b, g, m, v, e), "gamma and beta are swapped"),
    "no epsilon": (lambda x, g, b, m, v, e: inference(x, g, b, m, v, 0), "epsilon has no effect"),
    "no root": (lambda x, g, b, m, v, e: g * (x - m) / (v + e) + b, "divide by the square root"),
    "mean not subtracted": (lambda x, g, b, m, v, e: g * x / np.sqrt(v + e) + b, "subtract the moving mean"),
}

# 2.4


def normalized(x, epsilon):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon)


def backward(dout, x, gamma, epsilon):
    h = normalized(x, epsilon)
    dx = gamma / np.sqrt(x.var(0) + epsilon) * (dout - dout.mean(0) - h * (dout * h).mean(0))
    return dx, (dout * h).sum(0), dout.sum(0)


def backward_by_steps(dout, x, gamma, epsilon):
    n, centered, root = len(x), x - x.mean(0), np.sqrt(x.var(0) + epsilon)
    dnormalized = dout * gamma
    dvariance = np.sum(dnormalized * centered, 0) * -0.5 / root**3
    dmean = -np.sum(dnormalized, 0) / root + dvariance * np.mean(-2 * centered, 0)
    dx = dnormalized / root + dvariance * 2 * centered / n + dmean / n
    return dx, np.sum(dout * centered / root, 0), np.sum(dout, 0)


def backward_in_tensorflow(dout, x, gamma, epsilon):
    import tensorflow as tf

    x, gamma = tf.constant(x), tf.constant(gamma)
    beta = tf.zeros_like(gamma)
    with tf.GradientTape() as tape:
        tape.watch([x, gamma, beta])
        mean, variance = tf.nn.moments(x, 0)
        out = gamma * (x - mean) / tf.sqrt(variance + epsilon) + beta
    return tape.gradient(out, [x, gamma, beta], output_gradients=tf.constant(dout))


def wrong_dx(formula):
    """The right backward pass, but for dx."""
    def wrong(dout, x, gamma, epsilon):
        h, root = normalized(x, epsilon), np.sqrt(x.var(0) + epsilon)
        return formula(dout, h, gamma, root), *backward(dout, x, gamma, epsilon)[1:]
    return wrong


def backward_with_n(n):
    """The right formula, but with another number of samples."""
    def answer(dout, x, gamma, epsilon):
        h = normalized(x, epsilon)
        samples = n(x)
        dx = gamma / np.sqrt(x.var(0) + epsilon) * (dout - dout.sum(0) / samples - h * (dout * h).sum(0) / samples)
        return dx, (dout * h).sum(0), dout.sum(0)
    return answer


BACKWARD = [backward, backward_by_steps, backward_in_tensorflow]
NOT_BACKWARD = {
    "ignores the mean's gradient": (wrong_dx(lambda d, h, g, r: g / r * (d - h * (d * h).mean(0))),
                                    "flows through the mean"),
    "ignores the variance's gradient": (wrong_dx(lambda d, h, g, r: g / r * (d - d.mean(0))),
                                        "flows through the variance"),
    "ignores both": (wrong_dx(lambda d, h, g, r: g / r * d), "flows through the mean"),
    "N is the number of features": (backward_with_n(lambda x: x.shape[1]), "flows through the mean"),
    "N is 4": (backward_with_n(lambda x: 4), "flows through the mean"),
    "N is 5": (backward_with_n(lambda x: 5), "flows through the mean"),
    "ignores gamma": (wrong_dx(lambda d, h, g, r: (d - d.mean(0) - h * (d * h).mean(0)) / r), "dx ignores gamma"),
    "variance for root": (wrong_dx(lambda d, h, g, r: g / r**2 * (d - d.mean(0) - h * (d * h).mean(0))),
                          "its size may be wrong"),
    "ignores epsilon": (lambda d, x, g, e: backward(d, x, g, 0), "with epsilon = 1, dx"),
    "dgamma ignores epsilon": (lambda d, x, g, e: (backward(d, x, g, e)[0], *backward(d, x, g, 0)[1:]),
                               "with epsilon = 1, dgamma"),
    "mean for sum": (lambda d, x, g, e: (*backward(d, x, g, e)[:2], d.mean(0)), "dbeta is the mean"),
    "dgamma without normalizing": (lambda d, x, g, e: (backward(d, x, g, e)[0], (d * x).sum(0), d.sum(0)),
                                   "dgamma is not the numerical gradient"),
    "dgamma and dbeta swapped": (lambda d, x, g, e: (lambda dx, dg, db: (dx, db, dg))(*backward(d, x, g, e)),
                                 "dgamma and dbeta are swapped"),
    "dx only": (lambda d, x, g, e: backward(d, x, g, e)[0], "return dx, dgamma, dbeta"),
}

# 2.5


def images(x, gamma, beta, epsilon):
    axes = (0, 1, 2)
    return gamma * (x - x.mean(axes)) / np.sqrt(x.var(axes) + epsilon) + beta


def images_as_rows(x, gamma, beta, epsilon):
    return forward(x.reshape(-1, x.shape[-1]), gamma, beta, epsilon).reshape(x.shape)


def images_channel_by_channel(x, gamma, beta, epsilon):
    out = []
    for c in range(x.shape[-1]):
        channel = x[..., c]
        out.append(gamma[c] * (channel - channel.mean()) / (channel.var() + epsilon) ** 0.5 + beta[c])
    return np.stack(out, axis=-1)


def over(*axes, place=Ellipsis):
    """Averages over other axes; γ and β along the axis of `place`."""
    def answer(x, gamma, beta, epsilon):
        x_hat = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
        return gamma[place] * x_hat + beta[place]

    return answer


def images_in_place(x, gamma, beta, epsilon):
    x -= x.mean((0, 1, 2))
    return images(x, gamma, beta, epsilon)


def images_with_mean_variance(x, gamma, beta, epsilon):
    variance = x.var((1, 2)).mean(0)
    return gamma * (x - x.mean((0, 1, 2))) / np.sqrt(variance + epsilon) + beta


IMAGES = [images, images_as_rows, images_channel_by_channel]
NOT_IMAGES = {
    "each pixel": (over(0), "pixels of one channel have different means"),
    "rows forgotten": (over(0, 2), "pixels of one channel have different means"),
    "columns forgotten": (over(0, 1), "pixels of one channel have different means"),
    "each image": (over(1, 2), "each image is normalized by itself"),
    "each image, all channels": (over(1, 2, 3), "each image is normalized by itself"),
    "each pixel's channels": (over(3), "the channels of a pixel are normalized together"),
    "everything": (over(0, 1, 2, 3), "all channels share one mean and one variance"),
    "channels first": (over(0, 2, 3), "in Keras, the channels come last"),
    "gamma along the rows": (over(0, 1, 2, place=(slice(None), None, None)), "stops with ValueError"),
    "variance divided by N alone": (lambda x, g, b, e: g * (x - x.mean((0, 1, 2))) / np.sqrt(
        x.var((0, 1, 2)) * x[0, ..., 0].size + e) + b, "the variance of a normalized channel is not 1"),
    "gamma and beta swapped": (lambda x, g, b, e: images(x, b, g, e), "gamma and beta are swapped"),
    "variance of each image, averaged": (images_with_mean_variance, "the variance of a normalized channel is not 1"),
    "unbiased variance": (lambda x, g, b, e: g * (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2), ddof=1) + e) + b,
                          "not by n − 1"),
    "epsilon of its own": (lambda x, g, b, e: images(x, g, b, 1e-6), "epsilon = 0.5"),
    "in place": (images_in_place, "changes its argument x"),
    "flat": (lambda x, g, b, e: forward(x.reshape(-1, x.shape[-1]), g, b, e), "it should be (4, 2, 3, 5)"),
}

# 2.6

TRUE = {"b", "d", "e", "g"}


def warm_up(momentum, steps, share):
    return momentum**steps, share ** (1 / steps)


def warm_up_step_by_step(momentum, steps, share):
    left = 1.0
    for _ in range(steps):
        left *= momentum
    return [left, np.exp(np.log(share) / steps)]


WARM_UPS = [(TRUE, warm_up), ("bdeg", warm_up_step_by_step)]
NOT_WARM_UPS = {
    **{name: ((chosen, warm_up), message) for name, (chosen, message) in {
        "by heart": (TRUE | {"a"}, "look at the row of the training images"),
        "dropout": (TRUE | {"c"}, "look at the column of training mode"),
        "in use": (TRUE | {"f"}, "what would happen to a single image"),
        "small batches": (TRUE | {"h"}, "what the running averages keep of them"),
        "modes": (TRUE - {"b"}, "in which mode does Keras measure"),
        "start": (TRUE - {"d"}, "where do the running statistics start"),
        "weights": (TRUE - {"e"}, "these same weights"),
        "lower momentum": (TRUE - {"g"}, "a momentum of 0.8"),
        "unknown": ({"k"}, "there is no sentence k: use the letters a to h"),
        "a number": (5, "explanation is not a set of letters")}.items()},
    **{name: ((TRUE, answer), message) for name, (answer, message) in {
        "replaced": (lambda m, k, s: (1 - m**k, s ** (1 / k)), "left is the share that has been replaced"),
        "PyTorch": (lambda m, k, s: ((1 - m)**k, 1 - s ** (1 / k)), "momentum is the wrong way around"),
        "linear": (lambda m, k, s: (1 - k * (1 - m), s ** (1 / k)), "every batch removes the same amount"),
        "one batch": (lambda m, k, s: (m, s ** (1 / k)), "what do two leave?"),
        "off by one": (lambda m, k, s: (m ** (k - 1), s ** (1 / k)), "left is off by one batch"),
        "swapped": (lambda m, k, s: (s ** (1 / k), m**k), "left and needed are swapped"),
        "batches needed": (lambda m, k, s: (m**k, np.log(s) / np.log(m)), "needed is a number of batches"),
        "share replaced": (lambda m, k, s: (m**k, (1 - s) ** (1 / k)), "needed replaces only the share"),
        "root forgotten": (lambda m, k, s: (m**k, s), "the momentum needed leaves a different share"),
        "needed in PyTorch": (lambda m, k, s: (m**k, 1 - s ** (1 / k)), "the momentum needed leaves a different share"),
        "no momentum": (lambda m, k, s: (m**k, s**-k), "needed is not a valid momentum"),
        "left only": (lambda m, k, s: m**k, "return left, needed, in this order")}.items()},
}

# 2.8


def network(*, hidden=3, width=64, order="norm relu", bias=None, last_norm=False, last="softmax", shape=(64,),
            units=10, always=False, never=False, activation="relu", trainable=True, blocks=False):
    """A maker of networks that differ from the right one by these arguments."""
    def build_model(batch_norm):
        import keras
        from keras import layers

        batch_norm = (batch_norm or always) and not never
        stack = [keras.Input(shape)]
        for _ in range(hidden):
            dense = layers.Dense(width, use_bias=not batch_norm if bias is None else bias, trainable=trainable)
            block = [dense, *(layers.BatchNormalization() if word == "norm" else layers.Activation(activation)
                              for word in order.split() if batch_norm or word != "norm")]
            stack += [keras.Sequential(block)] if blocks else block
        if last_norm and batch_norm:
            stack.append(layers.BatchNormalization())
        stack.append(layers.Dense(units, activation=last, trainable=trainable))
        return keras.Sequential(stack)
    return build_model


def network_of_the_course(batch_norm):
    return models.mlp(batch_norm=batch_norm)


def functional_network(batch_norm, **mode):
    import keras
    from keras import layers

    inputs = z = keras.Input((64,))
    for _ in range(3):
        if batch_norm:
            z = layers.BatchNormalization(momentum=0.9)(layers.Dense(64, use_bias=False)(z), **mode)
            z = layers.ReLU()(z)
        else:
            z = layers.Dense(64, activation="relu")(z)
    return keras.Model(inputs, layers.Softmax()(layers.Dense(10)(z)))


def network_in_two_parts(batch_norm):
    """All hidden layers in a Sequential of their own, whose Dense layers apply ReLU themselves if they can."""
    import keras
    from keras import layers

    hidden = keras.Sequential(name="hidden")
    for _ in range(3):
        if batch_norm:
            for layer in (layers.Dense(64, use_bias=False), layers.BatchNormalization(), layers.ReLU()):
                hidden.add(layer)
        else:
            hidden.add(layers.Dense(64, "relu"))
    return keras.Sequential([keras.Input((64,)), hidden, layers.Dense(10, "softmax")])


def network_in_blocks(batch_norm):
    return network(blocks=True)(batch_norm)


def network_with_dropout(batch_norm):
    import keras
    from keras import layers

    whole = network_of_the_course(batch_norm)
    return keras.Sequential([keras.Input((64,)), *whole.layers[:-1], layers.Dropout(0.5), whole.layers[-1]])


def network_with_frozen_normalizations(batch_norm):
    whole = network_of_the_course(batch_norm)
    for layer in whole.layers[1:-1:3]:
        layer.trainable = not batch_norm
    return whole


def network_compiled(batch_norm):
    whole = network_of_the_course(batch_norm)
    whole.compile("sgd", "sparse_categorical_crossentropy")
    return whole


NETWORKS = [network_of_the_course, network(), functional_network, network_in_blocks, network_in_two_parts]
NOT_NETWORKS = {
    "always": (network(always=True, bias=True), "with batch_norm=False, there are 3 batch normalizations"),
    "never": (network(never=True), "with batch_norm=True, there are 0 batch normalizations"),
    "after the activation": (network(order="relu norm"), "not between a Dense layer and its activation"),
    "activation before and after": (network(order="relu norm relu"), "a ReLU comes before batch normalization"),
    "before and after": (network(order="norm relu norm"), "with batch_norm=True, there are 6 batch normalizations"),
    "bias kept": (network(bias=True), "with batch_norm=True, a hidden Dense layer has a bias"),
    "bias never": (network(bias=False), "with batch_norm=False, a hidden Dense layer has no bias"),
    "one normalization too many": (network(last_norm=True), "with batch_norm=True, there are 4 batch normalizations"),
    "two hidden layers": (network(hidden=2), "the Dense layers have 64, 64, 10 units"),
    "four hidden layers": (network(hidden=4), "the Dense layers have 64, 64, 64, 64, 10 units"),
    "narrow": (network(width=16), "the Dense layers have 16, 16, 16, 10 units"),
    "narrow blocks": (network(width=16, blocks=True), "the Dense layers have 16, 16, 16, 10 units"),
    "tanh": (network(activation="tanh"), "do not compute what the question asks for"),
    "inference mode": (lambda batch_norm: functional_network(batch_norm, training=False), "tied to one mode"),
    "training mode": (lambda batch_norm: functional_network(batch_norm, training=True), "tied to one mode"),
    "frozen normalizations": (network_with_frozen_normalizations, "tied to one mode"),
    "dropout": (network_with_dropout, "do not compute what the question asks for"),
    "compiled": (network_compiled, "leave that to fit_many"),
    "no softmax": (network(last=None), "not probabilities"),
    "linear": (network(activation="linear"), "the network is linear"),
    "frozen": (network(trainable=False), "does not learn"),
    "one hidden layer": (network(hidden=1), "the Dense layers have 64, 10 units"),
    "two classes": (network(units=2), "10 numbers"),
    "images as squares": (network(shape=(8, 8)), "64 pixels"),
    "no model": (lambda batch_norm: [batch_norm], "does not return a Keras model"),
}

# 2.9


def final(runs, batch_norm):
    return runs.val_accuracy.sel(batch_norm=batch_norm).isel(epoch=-1).mean("seed")


def largest(runs, batch_norm):
    trains = final(runs, batch_norm) >= 0.9
    return float(runs.learning_rate[trains].max())


def largest_in_numpy(runs, batch_norm):
    scores = runs["val_accuracy"].transpose("batch_norm", "learning_rate", "epoch", "seed").values
    ok = [rate for rate, score in zip(runs.learning_rate.values, scores[int(batch_norm)], strict=True)
          if score[-1].mean() >= 0.9]
    return ok[-1]


def largest_as_array(runs, batch_norm):
    return final(runs, batch_norm).to_series().loc[lambda one: one >= 0.9].index.max()


def where(holds):
    """The largest rate at which a rule holds for the accuracies of a network, an array (rate, seed, epoch)."""
    def answer(runs, batch_norm):
        scores = runs.val_accuracy.sel(batch_norm=batch_norm).transpose("learning_rate", "seed", "epoch").values
        return max(rate for rate, one in zip(runs.learning_rate.values, scores, strict=True) if holds(one))

    return answer


def largest_and_overwritten(runs, batch_norm):
    runs["val_accuracy"] = runs.val_accuracy.isel(epoch=-1)
    return float(runs.learning_rate[runs.val_accuracy.sel(batch_norm=batch_norm).mean("seed") >= 0.9].max())


LARGEST = [largest, largest_in_numpy, largest_as_array]
NOT_LARGEST = {
    "the best rate": (lambda runs, b: float(final(runs, b).idxmax()), "the rate with the best accuracy"),
    "the smallest": (lambda runs, b: float(runs.learning_rate[final(runs, b) >= 0.9].min()), "the smallest rate"),
    "the largest tried": (lambda runs, b: float(runs.learning_rate.max()), "the largest rate tried"),
    "one network for both": (lambda runs, b: largest(runs, True), "both networks get the same rate"),
    "the other network": (lambda runs, b: largest(runs, not b), "mixed up"),
    "the best epoch": (where(lambda one: one.mean(0).max() >= 0.9), "fell apart"),
    "the first epoch": (where(lambda one: one[:, 0].mean() >= 0.9), "fell apart"),
    "the mean of all epochs": (where(lambda one: one.mean() >= 0.9), "fell apart"),
    "every epoch": (where(lambda one: (one.mean(0) >= 0.9).all()), "needs all of its epochs"),
    "a lucky seed": (where(lambda one: one[:, -1].max() >= 0.9), "one lucky seed"),
    "every seed": (where(lambda one: one[:, -1].min() >= 0.9), "one seed below 0.9"),
    "the median": (where(lambda one: np.median(one[:, -1]) >= 0.9), "most of its seeds"),
    "half of the seeds": (where(lambda one: (one[:, -1] >= 0.9).mean() >= 0.5), "most of its seeds"),
    "the first seed": (where(lambda one: one[0, -1] >= 0.9), "one lucky seed"),
    "at least 0.8": (where(lambda one: one[:, -1].mean() >= 0.8), "a mean below 0.9 is enough"),
    "at least 0.89": (where(lambda one: one[:, -1].mean() >= 0.89), "a mean below 0.9 is enough"),
    "above 0.9": (where(lambda one: one[:, -1].mean() > 0.9), "a mean of exactly 0.9"),
    "up to the first gap": (lambda runs, b: float(runs.learning_rate[:1 + int(np.argmax(final(runs, b).values < 0.9))]
                                                  [-1]), "made-up sweep is wrong"),
    "overwritten": (largest_and_overwritten, "changes its argument runs"),
    "an index": (lambda runs, b: int(np.flatnonzero(final(runs, b) >= 0.9)[-1]), "not one of the learning rates"),
    "an accuracy": (lambda runs, b: float(final(runs, b).max()), "not one of the learning rates"),
    "all of them": (lambda runs, b: runs.learning_rate[final(runs, b) >= 0.9], "shape"),
}

# 2.10


def sweep(rates=(0.05, 0.1, 0.3, 1, 3, 10), plain=0.3, norm=3.0, seeds=3, epochs=10):
    """Runs of networks that train up to these rates."""
    return bn.made_up_runs(rates, {
        batch_norm: [np.full((seeds, epochs), 0.95 if rate <= edge else 0.1) for rate in rates]
        for batch_norm, edge in ((False, plain), (True, norm))})


SWEEPS = [sweep(), sweep(np.logspace(-3, 2, 40), plain=0.5, norm=1.3, seeds=10),
          sweep([10, 3, 1, 0.3, 0.1]), sweep().transpose("seed", "epoch", "batch_norm", "learning_rate"),
          sweep().assign_coords(batch_norm=[0, 1])]
NOT_SWEEPS = {
    "nine epochs": (sweep(epochs=9), "fewer than ten epochs"),
    "one seed": (sweep(seeds=1), "fewer than three seeds"),
    "no seeds": (sweep().isel(seed=0), "runs has no dimension seed"),
    "one network": (sweep().isel(batch_norm=[1]), "only one of the networks"),
    "another knob": (xr.concat([sweep(), sweep()], "batch_size"), "runs also varies batch_size"),
    "no edge": (sweep([0.05, 0.1, 0.3, 1, 3]), "with batch norm still trains at your largest rate"),
    "rates too small": (sweep([0.01, 0.03, 0.1]), "the plain network still trains at your largest rate"),
    "rates too large": (sweep([1, 3, 10]), "the plain network trains at none"),
    "coarse": (sweep([0.1, 1, 10]), "far apart"),
    "no gain": (sweep(norm=0.3), "with batch norm stops training at an unexpected rate"),
    "too few epochs": (sweep([0.01, 0.03, 0.1, 0.3, 1, 3, 10], plain=0.03), "plain network stops training at an"),
    "an accuracy": (0.95, "not what fit_many returns"),
}

# 2.13

FLAWS = [{"a", "b", "e", "g"}, ["g", "e", "b", "a"], "abeg", ("A", "B", "E", "G"), "a, b, e, g"]
NOT_FLAWS = {
    "all": (set("abcdefgh"), "pairs the runs"),
    "same seed": ({"a", "b", "c", "e", "g"}, "pairs the runs"),
    "parameters": ({"a", "b", "d", "e", "g"}, "count the trainable parameters"),
    "training accuracy": ({"a", "b", "e", "f", "g"}, "which data"),
    "logarithmic": ({"a", "b", "e", "g", "h"}, "transforming the axis"),
    "seed let pass": ({"b", "e", "g"}, "run again"),
    "rate let pass": ({"a", "e", "g"}, "how was the learning rate chosen"),
    "straw man let pass": ({"a", "b", "g"}, "would anybody build"),
    "title let pass": ({"a", "b", "e"}, "does the title"),
    "unknown": ({"a", "z"}, "there is no objection z"),
    "numbers": ([1, 2], "not a set of letters"),
    "a number": (3, "not a set of letters"),
}

ALL = [("2.1", bn.forward, FORWARD, NOT_FORWARD), ("2.2", bn.running_statistics, RUNNING, NOT_RUNNING),
       ("2.3", bn.inference, INFERENCE, NOT_INFERENCE), ("2.4", bn.backward, BACKWARD, NOT_BACKWARD),
       ("2.5", bn.images, IMAGES, NOT_IMAGES), ("2.6", spread(bn.cold), WARM_UPS, NOT_WARM_UPS),
       ("2.8", bn.network, NETWORKS, NOT_NETWORKS), ("2.9", bn.largest, LARGEST, NOT_LARGEST),
       ("2.10", bn.sweep, SWEEPS, NOT_SWEEPS), ("2.13", bn.referee, FLAWS, NOT_FLAWS)]
# Of those that do not ask for one function.
UNANSWERED = {"2.6": [(..., ...), (TRUE, ...), (..., warm_up), (TRUE, lambda momentum, steps, share: ...)],
              "2.10": [...], "2.13": [..., set()]}
