"""Checks of exercise 02, the questions about networks that are trained already.

Statistics to re-estimate, a fine-tuning script to fix, a layer to fold away.
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


@check("2.7", "the statistics in every layer match the data, and nothing else has changed")
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
    expect(answer is None or answer is model, "the function returns another model", "change the model you are given")
    expect(not close(_running(norms), old), "the running statistics have not changed",
           "they change only when you call the model with training=True or assign new values")
    expect(all(map(close, _trained(model), trained)), "kernels, gamma, or beta have changed",
           "nothing needs training, so do not call fit")
    first, second = ([norm.moving_mean.numpy(), norm.moving_variance.numpy()] for norm in norms)
    right, stale = true_statistics(model, x), true_statistics(model, x, cold=True)
    expect(_alike(first, right[0]), "the first layer's running statistics do not match its inputs",
           "compute them over all of x; with a momentum near 1, a few batches hardly change them")
    expect(not _alike(second, stale[1]), "the second layer's statistics come from when the first layer was still cold",
           "fix the layers in order, because a layer's output changes with its statistics")
    expect(_alike(second, right[1]), "the second layer's running statistics do not match its inputs",
           "its inputs are the first layers' outputs for x, with the new statistics")
    expect([layer.get_config() for layer in model.layers] == settings,
           "a layer's setting, such as momentum or trainable, has changed",
           "save the settings of each layer and restore them at the end")


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


@check("2.11", "the base is trained but keeps its statistics, and the new head's are warm")
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
    expect(isinstance(model, keras.Model), "the function does not return a Keras model", "end it with return model")
    answers = model(x, training=False).numpy()
    expect(answers.shape == (96, 5), "the model does not return 5 numbers for each image",
           "end the new head with a Dense layer of 5 units")
    expect(not close(_kernels(base), kernels, 1e-6), "the second phase has not trained the kernels of the base",
           "changes to trainable take effect only when you compile again")
    expect(close(_running(normalizations(base)), statistics, 1e-6), "the running statistics of the base have moved",
           "fit overrides training=False, but a batch normalization that is not trainable keeps its statistics")
    _judge_phases(calls, len(x))
    inside, new = set(map(identity, base.weights)), []
    for norm in normalizations(model):
        if identity(norm.moving_mean) in inside:
            norm.trainable = False   # inference mode: what the new ones get then
        else:
            new.append(norm)
    expect(all(share_of_start(model, norm, x) < COLD for norm in new),
           "the running statistics of the new normalization do not match its inputs",
           "count its batches; question 2.6 shows how to find a suitable momentum")
    expect((answers.argmax(1) == y).mean() >= 0.7, "the network has not learned the new classes",
           "train for several epochs in both phases")


def _judge_phases(calls, samples):
    """Judge whether most samples came before the kernels moved, and most moved them, by little steps."""
    seen = [{row.tobytes() for row in x} for x, _ in calls]
    steps = [np.linalg.norm(new - old) / np.linalg.norm(old)
             for (_, old), (_, new) in itertools.pairwise(calls)]
    moved = [place for place, step in enumerate(steps) if step > 0]
    before, after = (len(set().union(*(seen[place] for place in places))) for places in (range(moved[0]), moved))
    expect(before >= samples / 2, "the base is trained before the new head has seen the images",
           "first train the head with a base that is not trainable")
    expect(after >= samples / 2, "the base is trained on too few of the images", "use all of x in the second phase")
    expect(np.max(steps) <= SMALL, "a single batch changes the kernels of the base too much",
           "use a smaller learning rate in the second phase")


def share_of_start(model, norm, x):
    """How much of the way from its initial 0 to the mean of its inputs a moving mean has still to go."""
    momentum, norm.momentum = norm.momentum, 0.0   # the next update is the mean of this batch, all of x
    _, updated = model.stateless_call(model.trainable_variables, model.non_trainable_variables, x, training=True)
    norm.momentum = momentum
    truth = next(new.numpy() for variable, new in zip(model.non_trainable_variables, updated, strict=True)
                 if variable is norm.moving_mean)
    return np.linalg.norm(norm.moving_mean.numpy() - truth) / np.linalg.norm(truth)


@check("2.12", "the folded layer gives the same results at inference, with and without a bias")
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
        (kernel, "the kernel has not changed", "include the scaling of the normalization in the kernel"),
        (scale(0) * kernel, "epsilon is left out", "add it to the variance, under the square root"),
        (gamma / (variance + 0.5) * kernel, "the kernel is divided by the variance",
         "the layer divides by its square root"),
        (kernel / np.sqrt(variance + 0.5), "gamma is left out of the kernel", "the layer multiplies by gamma too")))
    expect_close(new_kernel, s * kernel, "the folded kernel does not do what both layers do",
                 "write out gamma · (x @ kernel + bias − mean) / root + beta, and collect what multiplies x")
    expect_none_of(new_bias, (
        (beta - mean * s, "the bias of the Dense layer is lost", "scale it and then add it"),
        (bias + beta - mean * s, "the bias of the Dense layer is not scaled", "the normalization comes after it"),
        ((bias - mean) * s, "beta is left out", "add it as the last step"),
        (bias * s + beta, "the moving mean is left out", "the normalization subtracts it"),
        (bias * s - mean + beta, "the moving mean is not scaled", "subtract it before the scaling"),
        (bias + beta, "the moving mean is left out", "the normalization subtracts it and then scales"),
        ((bias - mean + beta) * s, "beta is scaled", "add it after the scaling")))
    expect_close(x @ new_kernel + new_bias, normalized(x @ kernel + bias, gamma, beta, mean, variance, 0.5),
                 "the folded bias does not do what both layers do",
                 "write out gamma · (x @ kernel + bias − mean) / root + beta, and collect what does not contain x")
    kernel = kernel.astype("float32")
    new_kernel, new_bias = fold_with(None, 0.01)
    expect_close(x @ new_kernel + new_bias, normalized(x @ kernel, gamma, beta, mean, variance, 0.01),
                 "without a bias, the folded layer gives different values",
                 "bias=None means that nothing was added, but the folded layer still needs a bias")


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
