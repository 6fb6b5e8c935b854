"""Checks of exercise 02, the questions about networks that are trained already.

Statistics to re-estimate, a fine-tuning to mend, a layer to fold away.
"""

import itertools

import numpy as np

from course_utils.checks import arrays, call, call_recorded, check, close, expect, expect_close, expect_none_of
from course_utils.models import all_layers
from course_utils.remote.codec import identity

# Tolerances that the questions state.
CLOSE = 0.1     # of a feature's standard deviation: distance of a running mean from the mean of all samples
SPREAD = 0.15   # relative distance of a running variance from the variance of all samples
COLD = 0.35     # of the way from its start to the truth: what a new running mean may still have to go
SMALL = 0.03    # of the norm of the kernels: how far one batch may move them if the learning rate is small


@check("2.7", "the statistics are those of the data in every layer, and nothing else has changed")
def re_estimated(re_estimate, rng):
    model = feature_extractor(rng, 8, momentum=0.98)
    x = rng.normal(2, 3, (256, 8)).astype("float32")
    norms = normalizations(model)
    for norm in norms:
        norm.moving_mean.assign(np.zeros(12))
        norm.moving_variance.assign(np.ones(12))
    norms[1].momentum = 0.97
    model.layers[0].trainable = False
    trained = _trained(model)
    old = _running(norms)
    settings = [layer.get_config() for layer in model.layers]

    given = {"model": model, "x": x}
    answer = call(re_estimate, given, changes=["model"])
    model = given["model"]
    norms = normalizations(model)
    expect(answer is None or answer is model, "the function returns another model", "change the one that is given")
    expect(not close(_running(norms), old), "the running statistics are as before",
           "only a call of the model with training=True moves them, or an assignment")
    expect(all(map(close, _trained(model), trained)), "kernels, gamma or beta have changed",
           "nothing has to be trained: use no fit")
    first, second = ([norm.moving_mean.numpy(), norm.moving_variance.numpy()] for norm in norms)
    right, stale = true_statistics(model, x), true_statistics(model, x, cold=True)
    expect(_alike(first, right[0]), "the first layer's running statistics are not those of its inputs",
           "take them over all of x; with a momentum near 1 a few batches do not move them far")
    expect(not _alike(second, stale[1]), "the second layer has statistics of what it got while the first was cold",
           "fix the layers in their order; what a layer passes on changes with its statistics")
    expect(_alike(second, right[1]), "the second layer's running statistics are not those of its inputs",
           "its inputs are what the first layers make of x, with the new statistics")
    expect([layer.get_config() for layer in model.layers] == settings,
           "a setting of a layer, such as momentum or trainable, is no longer what it was",
           "remember the settings of each layer, and restore them at the end")


def _trained(model):
    return [weight.numpy() for weight in model.weights if not weight.name.startswith("moving")]


def _alike(running, right):
    """Whether a running mean and variance are those of some samples, except for the noise of batches."""
    (mean, variance), (right_mean, right_variance) = running, right
    off = np.sqrt(np.mean((mean - right_mean)**2 / right_variance))
    ratio = np.sqrt(np.mean((variance / right_variance - 1)**2))
    return off < CLOSE and ratio < SPREAD


def true_statistics(model, x, cold=False):
    """Mean and variance of what each normalization gets; `cold` leaves those before it at 0 and 1."""
    from keras import layers

    statistics, z = [], x
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            statistics.append((z.mean(0), z.var(0)))
            mean, variance = (0.0, 1.0) if cold else statistics[-1]
            z = layer.gamma.numpy() * (z - mean) / np.sqrt(variance + layer.epsilon) + layer.beta.numpy()
        else:
            z = layer(z).numpy()
    return statistics


@check("2.11", "the base is trained, its statistics stay, and the new head's are warm")
def fine_tuned(fine_tune, rng):
    import keras

    y = np.arange(96) % 5
    x = (3 * np.eye(5, 64)[y] + rng.normal(0, 0.3, (96, 64))).astype("float32")
    keras.utils.set_random_seed(0)
    base = feature_extractor(rng, 64, momentum=0.9, units=32)
    given = {"base": base, "x": x, "y": y}
    kernels, statistics = _kernels(base), _running(normalizations(base))
    model, calls = call_recorded(fine_tune, given, "base", changes=["base"])
    base = given["base"]
    expect(isinstance(model, keras.Model), "the function returns no Keras model", "end it with return model")
    answers = model(x, training=False).numpy()
    expect(answers.shape == (96, 5), "the model does not return 5 numbers for an image",
           "the new head ends with a Dense layer of 5 units")
    expect(not close(_kernels(base), kernels, 1e-6), "the second phase has not trained the kernels of the base",
           "what fit trains is settled by compile and the first fit; compile again after each change of trainable")
    expect(close(_running(normalizations(base)), statistics, 1e-6), "the running statistics of the base have moved",
           "batches of 8 are no basis for them, and fit overrides training=False; a normalization that is not "
           "trainable keeps them")
    _judge_phases(calls, len(x))
    inside, new = set(map(identity, base.weights)), []
    for norm in normalizations(model):
        if identity(norm.moving_mean) in inside:
            norm.trainable = False   # inference mode: what the new ones get then
        else:
            new.append(norm)
    expect(all(share_of_start(model, norm, x) < COLD for norm in new),
           "the running statistics of the new normalization are not those of what it gets",
           "count its batches; question 2.6 says which momentum suits them")
    expect((answers.argmax(1) == y).mean() >= 0.7, "the network has not learned the new classes",
           "train both phases for some epochs")


def _judge_phases(calls, samples):
    """Judge whether most samples came before the kernels moved, and most moved them, by little steps."""
    seen = [{row.tobytes() for row in x} for x, _ in calls]
    steps = [np.linalg.norm(new - old) / np.linalg.norm(old)
             for (_, old), (_, new) in itertools.pairwise(calls)]
    moved = [place for place, step in enumerate(steps) if step > 0]
    before, after = (len(set().union(*(seen[place] for place in places))) for places in (range(moved[0]), moved))
    expect(before >= samples / 2, "the base is trained before the new head has seen the images",
           "first train the head with a base that is not trainable")
    expect(after >= samples / 2, "few of the images train the base", "train the second phase on all of x")
    expect(np.max(steps) <= SMALL, "a batch changes the kernels of the base by too much",
           "train the second phase with a smaller learning rate")


def share_of_start(model, norm, x):
    """How much of the way from its initial 0 to the mean of its inputs a moving mean has still to go."""
    momentum, norm.momentum = norm.momentum, 0.0   # the next update is the mean of this batch, all of x
    _, updated = model.stateless_call(model.trainable_variables, model.non_trainable_variables, x, training=True)
    norm.momentum = momentum
    truth = next(new.numpy() for variable, new in zip(model.non_trainable_variables, updated, strict=True)
                 if variable is norm.moving_mean)
    return np.linalg.norm(norm.moving_mean.numpy() - truth) / np.linalg.norm(truth)


@check("2.12", "the folded layer does the same at inference, with and without a bias")
def folded(fold, rng):
    d, k = 3, 5
    kernel, x = rng.normal(0, 1, (d, k)), rng.normal(0, 2, (20, d))
    bias, gamma, beta, mean = rng.uniform(1, 2, (4, k)) * [[2], [1], [3], [2]] * rng.choice([-1, 1], (4, k))
    variance = rng.uniform(0.2, 8, k)

    def fold_with(bias, epsilon):
        value = call(fold, {"kernel": kernel, "bias": bias, "gamma": gamma, "beta": beta, "moving_mean": mean,
                            "moving_variance": variance, "epsilon": epsilon})
        return arrays(value, {"kernel": (d, k), "bias": (k,)})

    def scale(epsilon):
        return gamma / np.sqrt(variance + epsilon)

    new_kernel, new_bias = fold_with(bias, 0.5)
    s = scale(0.5)
    expect_none_of(new_kernel, (
        (kernel, "the kernel is as before", "the normalization multiplies, and that goes into the kernel"),
        (scale(0) * kernel, "epsilon is left out", "add it to the variance, under the root"),
        (gamma / (variance + 0.5) * kernel, "the kernel is divided by the variance", "the layer divides by its root"),
        (kernel / np.sqrt(variance + 0.5), "gamma is left out of the kernel", "the layer multiplies by gamma too")))
    expect_close(new_kernel, s * kernel, "the folded kernel does not do what both layers do",
                 "write out gamma · (x @ kernel + bias − mean) / root + beta, and collect what multiplies x")
    expect_none_of(new_bias, (
        (beta - mean * s, "the bias of the Dense layer is lost", "it is scaled, and then added"),
        (bias + beta - mean * s, "the bias of the Dense layer is not scaled", "the normalization comes after it"),
        ((bias - mean) * s, "beta is left out", "it is added last of all"),
        (bias * s + beta, "the moving mean is left out", "the normalization subtracts it"),
        (bias * s - mean + beta, "the moving mean is not scaled", "it is subtracted before the scaling"),
        (bias + beta, "the moving mean is left out", "the normalization subtracts it, and scales"),
        ((bias - mean + beta) * s, "beta is scaled", "it is added last of all")))
    expect_close(x @ new_kernel + new_bias, normalized(x @ kernel + bias, gamma, beta, mean, variance, 0.5),
                 "the folded bias does not do what both layers do",
                 "write out gamma · (x @ kernel + bias − mean) / root + beta, and collect what does not contain x")
    kernel = kernel.astype("float32")
    new_kernel, new_bias = fold_with(None, 0.01)
    expect_close(x @ new_kernel + new_bias, normalized(x @ kernel, gamma, beta, mean, variance, 0.01),
                 "without a bias the folded layer gives other values",
                 "bias=None means that nothing was added; the folded layer needs a bias all the same")


def normalized(x, gamma, beta, mean, variance, epsilon):
    """What Keras's layer makes of `x` at inference."""
    from course_utils.checks.batch_normalization import keras_layer

    return np.array(keras_layer(gamma, beta, epsilon, mean, variance)(x, training=False))


def feature_extractor(rng, inputs, momentum, units=12):
    """Two normalized Dense layers with random weights, and statistics that fit random inputs."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((inputs,))])
    for _ in range(2):
        model.add(layers.Dense(units, use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.0))
        model.add(layers.ReLU())
    for weight in model.trainable_weights:
        spread = {"kernel": (0, inputs**-0.5), "gamma": (1, 0.1), "beta": (0, 0.1)}[weight.name]
        weight.assign(rng.normal(*spread, weight.shape))
    model(rng.normal(0, 1, (256, inputs)), training=True)
    for norm in normalizations(model):
        norm.momentum = momentum
    return model


def normalizations(model):
    """All batch normalizations of a model, also those of a model inside it."""
    from keras import layers

    return [layer for layer in all_layers(model) if isinstance(layer, layers.BatchNormalization)]


def _kernels(model):
    return np.concatenate([weight.numpy().ravel() for weight in model.weights if weight.name == "kernel"])


def _running(norms):
    return np.concatenate([weight.numpy() for norm in norms for weight in (norm.moving_mean, norm.moving_variance)])
