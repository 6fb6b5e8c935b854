"""Answers to exercise 02, the questions about networks that are trained already."""

import numpy as np

from course_utils.checks import pretrained_networks as pn

# 2.7


def re_estimate(model, x):
    from keras import layers

    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    old = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(x, training=True)
    for norm, momentum in zip(norms, old, strict=True):
        norm.momentum = momentum


def re_estimate_layer_by_layer(model, x):
    for layer in model.layers:
        if "batch_normalization" in layer.name:
            mean, variance = np.mean(x, axis=0), np.var(x, axis=0)
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
        x = np.array(layer(x))
    return model


def re_estimate_by_averages(model, x):
    """Averages over batches, each with the same weight."""
    import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    old = [norm.momentum for norm in norms]
    for number, batch in enumerate(np.split(np.asarray(x), 8)):
        for norm in norms:
            norm.momentum = number / (number + 1)
        model(batch, training=True)
    for norm, momentum in zip(norms, old, strict=True):
        norm.momentum = momentum


def re_estimate_patiently(model, x):
    for _ in range(40):
        for batch in np.split(np.asarray(x), 8):
            model(batch, training=True)


def re_estimate_from_cold_layers(model, x):
    from keras import Model

    norms = [layer for layer in model.layers if "batch_norm" in layer.name]
    seen = Model(model.inputs, [norm.input for norm in norms])(x, training=False)
    for norm, values in zip(norms, seen, strict=True):
        norm.moving_mean.assign(np.mean(values, 0))
        norm.moving_variance.assign(np.var(values, 0))


def re_estimate_once(model, x):
    model(x, training=True)


def re_estimate_by_fit(model, x):
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((len(x), 12)), epochs=2, verbose=0)


def re_estimate_from_the_last_batch(model, x):
    for layer in model.layers[1::3]:
        layer.momentum = 0.0
    for batch in np.split(np.asarray(x), 8):
        model(batch, training=True)


def re_estimate_and_keep_momentum(model, x):
    for layer in model.layers[1::3]:
        layer.momentum = 0.0
    model(x, training=True)


def re_estimate_and_guess_momentum(model, x):
    re_estimate_and_keep_momentum(model, x)
    for layer in model.layers[1::3]:
        layer.momentum = 0.99


def re_estimate_and_freeze(model, x):
    for layer in model.layers[::3]:
        layer.trainable = False
    re_estimate(model, x)


def re_estimate_and_unfreeze(model, x):
    re_estimate(model, x)
    for layer in model.layers:
        layer.trainable = True


def re_estimate_with_one_variance(model, x):
    for layer in model.layers:
        if "batch_normalization" in layer.name:
            layer.moving_mean.assign(np.mean(x, axis=0))
            layer.moving_variance.assign(np.full(12, np.var(x)))
        x = np.array(layer(x))


def re_estimate_a_copy(model, x):
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    re_estimate(copy, x)
    return copy


def re_estimate_one(model, x):
    layer = model.layers[1]
    values = np.array(model.layers[0](x))
    layer.moving_mean.assign(values.mean(0))
    layer.moving_variance.assign(values.var(0))


def re_estimate_with_deviations(model, x):
    for layer in model.layers:
        if "batch_normalization" in layer.name:
            layer.moving_mean.assign(np.mean(x, axis=0))
            layer.moving_variance.assign(np.std(x, axis=0))
        x = np.array(layer(x))


RE_ESTIMATES = [re_estimate, re_estimate_layer_by_layer, re_estimate_by_averages, re_estimate_patiently]
NOT_RE_ESTIMATES = {
    "inference mode": (lambda model, x: print(model(x)), "the running statistics have not changed"),
    "predict": (lambda model, x: print(model.predict(x, verbose=0)), "the running statistics have not changed"),
    "a single call": (re_estimate_once, "the first layer's running statistics do not match its inputs"),
    "the last batch": (re_estimate_from_the_last_batch, "the first layer's running statistics do not match"),
    "standard deviations": (re_estimate_with_deviations, "the first layer's running statistics do not match"),
    "cold layers": (re_estimate_from_cold_layers, "come from when the first layer was still cold"),
    "the first layer only": (re_estimate_one, "the second layer's running statistics do not match its inputs"),
    "fit": (re_estimate_by_fit, "kernels, gamma, or beta have changed"),
    "momentum left at 0": (re_estimate_and_keep_momentum, "such as momentum or trainable, has changed"),
    "momentum restored as 0.99": (re_estimate_and_guess_momentum, "such as momentum or trainable, has changed"),
    "a Dense layer left frozen": (re_estimate_and_freeze, "such as momentum or trainable, has changed"),
    "a Dense layer unfrozen": (re_estimate_and_unfreeze, "such as momentum or trainable, has changed"),
    "one variance for all": (re_estimate_with_one_variance, "the first layer's running statistics do not match"),
    "a copy": (re_estimate_a_copy, "change the model you are given"),
}

# 2.11


def head(base, momentum=0.9, normalize=True, **mode):
    import keras
    from keras import layers

    inputs = keras.Input((64,))
    z = layers.Dense(16, use_bias=not normalize)(base(inputs, **mode))
    if normalize:
        z = layers.BatchNormalization(momentum=momentum)(z)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.ReLU()(z)))


def train(model, x, y, rate, epochs):
    import keras

    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=8, epochs=epochs, verbose=0)


def fine_tune(base, x, y):
    base.trainable = False
    model = head(base)
    train(model, x, y, 0.01, 4)
    base.trainable = True
    for norm in pn.normalizations(base):
        norm.trainable = False
    train(model, x, y, 0.001, 2)
    return model


def fine_tune_in_its_own_model(base, x, y):
    """Its call insists on inference mode; no normalization in the head."""
    import keras
    from keras import layers

    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.base = base
            self.head = keras.Sequential([layers.Dense(32, activation="relu"), layers.Dense(5, activation="softmax")])

        def call(self, x, training=None):
            return self.head(self.base(x, training=False), training=training)

    base.trainable = False
    model = Classifier()
    train(model, x, y, 0.01, 6)
    base.trainable = True
    train(model, x, y, 0.001, 2)
    return model


def fine_tune_in_a_loop(base, x, y):
    """Its own steps, which call the base in inference mode."""
    import keras
    import tensorflow as tf
    from keras import layers

    head = keras.Sequential([layers.Dense(16, use_bias=False), layers.BatchNormalization(momentum=0.9), layers.ReLU(),
                             layers.Dense(5)])
    model = keras.Sequential([base, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def phase(variables, optimizer, epochs):
        @tf.function
        def step(images, labels):
            with tf.GradientTape() as tape:
                value = loss(labels, head(base(images, training=False), training=True))
            optimizer.apply(tape.gradient(value, variables()), variables())

        for _ in range(epochs):
            for start in range(0, len(x), 8):
                step(x[start:start + 8], y[start:start + 8])

    head(base(x[:1]))
    phase(lambda: head.trainable_variables, keras.optimizers.Adam(0.01), 4)
    phase(lambda: model.trainable_variables, keras.optimizers.SGD(0.01), 2)
    return model


def fine_tune_on_features(base, x, y):
    """The first phase computes the features only once."""
    import keras
    from keras import layers

    inputs = keras.Input((32,))
    z = layers.BatchNormalization(momentum=0.8)(layers.Dense(16, use_bias=False)(inputs))
    head = keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.ReLU()(z)))
    train(head, base.predict(x, verbose=0), y, 0.01, 5)
    model = keras.Sequential([base, head])
    for norm in pn.normalizations(base):
        norm.trainable = False
    train(model, x, y, 0.0005, 3)
    return model


def other_phases(*, first_rate=0.01, rate=0.001, freeze_first=True, swapped=False, samples=None):
    """A fine-tuning that keeps all statistics, but whose phases are not those of the recipe."""
    def answer(base, x, y):
        def phase(trainable, rate, epochs, samples=None):
            base.trainable = trainable
            for norm in pn.normalizations(base):
                norm.trainable = False
            train(model, x[:samples], y[:samples], rate, epochs)

        model = head(base)
        phases = [(not freeze_first, first_rate, 4), (True, rate, 2, samples)]
        for arguments in phases[::-1] if swapped else phases:
            phase(*arguments)
        return model

    return answer


def wrong_tuning(*, momentum=0.9, freeze=None, unfreeze=True, again=True, re_estimate=False, model=None):
    """A fine-tuning with one mistake; `freeze` the normalizations "before" or "after" the base is unfrozen."""
    def answer(base, x, y):
        base.trainable = False
        network = head(base, momentum, training=False)
        train(network, x, y, 0.01, 4)
        if freeze == "before":
            for norm in pn.normalizations(base):
                norm.trainable = False
        if unfreeze:
            base.trainable = True
        if freeze == "after":
            for norm in pn.normalizations(base):
                norm.trainable = False
        if again:
            train(network, x, y, 0.001, 2)
        else:
            network.optimizer.learning_rate = 0.001
            network.fit(x, y, batch_size=8, epochs=2, verbose=0)
        if re_estimate:
            for norm in pn.normalizations(network):
                norm.momentum = 0.0
            network(x, training=True)
        return network if model is None else model

    return answer


FINE_TUNINGS = [fine_tune, fine_tune_in_a_loop, fine_tune_on_features]
NOT_FINE_TUNINGS = {
    "as found": (wrong_tuning(momentum=0.99, again=False), "the second phase has not trained the kernels"),
    "frozen for ever": (wrong_tuning(freeze="after", unfreeze=False), "the second phase has not trained the kernels"),
    "training=False alone": (wrong_tuning(), "running statistics of the base have moved"),
    "unfrozen again": (wrong_tuning(freeze="before"), "running statistics of the base have moved"),
    "all re-estimated": (wrong_tuning(momentum=0.99, re_estimate=True),
                         "running statistics of the base have moved"),
    "default momentum": (wrong_tuning(freeze="after", momentum=0.99), "shows how to find a suitable momentum"),
    "not trained": (lambda base, x, y: head(base), "the second phase has not trained the kernels"),
    "never frozen": (other_phases(freeze_first=False), "trained before the new head has seen the images"),
    "never frozen, slowly": (other_phases(freeze_first=False, first_rate=0.001),
                             "trained before the new head has seen the images"),
    "phases swapped": (other_phases(swapped=True), "trained before the new head has seen the images"),
    "second phase at 0.01": (other_phases(rate=0.01), "changes the kernels of the base too much"),
    "second phase on eight images": (other_phases(samples=8), "the base is trained on too few of the images"),
    "history": (wrong_tuning(freeze="after", model=3), "does not return a Keras model"),
    "a class of one's own": (fine_tune_in_its_own_model, "can't be saved and loaded"),
}

# 2.12


def fold(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon):
    scale = gamma / np.sqrt(moving_variance + epsilon)
    bias = 0 if bias is None else bias
    return kernel * scale, (bias - moving_mean) * scale + beta


def fold_by_asking(kernel, bias, *norm):
    """The bias is what both layers make of zero, the kernel what they make of each unit vector beyond that."""
    def both(x):
        gamma, beta, mean, variance, epsilon = norm
        z = x @ kernel + (np.zeros(kernel.shape[1]) if bias is None else bias)
        return gamma * (z - mean) / np.sqrt(variance + epsilon) + beta

    offset = both(np.zeros(len(kernel)))
    return [both(np.eye(len(kernel))) - offset, offset]


def fold_in_loops(kernel, bias, g, b, m, v, e):
    folded, new = np.empty(kernel.shape), []
    for unit in range(kernel.shape[1]):
        root = (v[unit] + e) ** 0.5
        folded[:, unit] = kernel[:, unit] * g[unit] / root
        new.append(b[unit] + ((bias[unit] if bias is not None else 0) - m[unit]) * g[unit] / root)
    return folded, new


def fold_in_place(kernel, bias, g, b, m, v, e):
    new = fold(kernel, bias, g, b, m, v, e)
    kernel *= g / np.sqrt(v + e)
    return kernel, new[1]


def wrong_fold(formula, scale=lambda g, v, e: g / np.sqrt(v + e), axis=1):
    """A folding with another bias: a function of the old one, the scale, β and the mean; or another scale."""
    def answer(kernel, bias, g, b, m, v, e):
        s = scale(g, v, e)
        bias = np.zeros(len(g)) if bias is None else bias
        return kernel * (s if axis else s[:, None]), formula(bias, s, b, m)

    return answer


def _right(bias, s, b, m):
    return (bias - m) * s + b


FOLDS = [fold, fold_by_asking, fold_in_loops]
NOT_FOLDS = {
    "wrong axis": (wrong_fold(_right, axis=0), "stops with ValueError"),
    "one scale for each input": (lambda k, c, g, b, m, v, e: (
        k * (g / np.sqrt(v + e)).reshape(k.shape[0]), _right(c, g / np.sqrt(v + e), b, m)), "stops with ValueError"),
    "a new bias for each input": (lambda k, c, *rest: fold(k, np.zeros(len(k)) if c is None else c, *rest),
                                  "stops with ValueError"),
    "gamma's size": (lambda k, c, g, *rest: fold(k, c, abs(g), *rest), "the folded kernel does not do"),
    "no epsilon": (wrong_fold(_right, lambda g, v, e: g / np.sqrt(v)), "epsilon is left out"),
    "no root": (wrong_fold(_right, lambda g, v, e: g / (v + e)), "divided by the variance"),
    "no gamma": (wrong_fold(_right, lambda g, v, e: 1 / np.sqrt(v + e)), "gamma is left out"),
    "kernel as it was": (lambda kernel, *rest: (kernel, fold(kernel, *rest)[1]), "the kernel has not changed"),
    "gamma and beta swapped": (lambda k, c, g, b, *rest: fold(k, c, b, g, *rest), "write out gamma"),
    "bias lost": (wrong_fold(lambda c, s, b, m: b - m * s), "the bias of the Dense layer is lost"),
    "bias not scaled": (wrong_fold(lambda c, s, b, m: c + b - m * s), "the bias of the Dense layer is not scaled"),
    "mean lost": (wrong_fold(lambda c, s, b, m: c * s + b), "the moving mean is left out"),
    "mean not scaled": (wrong_fold(lambda c, s, b, m: c * s - m + b), "the moving mean is not scaled"),
    "beta scaled": (wrong_fold(lambda c, s, b, m: (c - m + b) * s), "beta is scaled"),
    "beta lost": (wrong_fold(lambda c, s, b, m: (c - m) * s), "beta is left out"),
    "mean added": (wrong_fold(lambda c, s, b, m: (c + m) * s + b), "the folded bias does not do"),
    "no bias, no new bias": (lambda k, c, *rest: fold(k, c, *rest) if c is not None else (
        fold(k, 0, *rest)[0], np.zeros(k.shape[1])), "without a bias, the folded layer gives different values"),
    "none returned": (lambda k, c, *rest: fold(k, c, *rest) if c is not None else (fold(k, 0, *rest)[0], None),
                      "bias has shape ()"),
    "None not expected": (lambda k, c, g, b, m, v, e: (k * g / np.sqrt(v + e), (c - m) * g / np.sqrt(v + e) + b),
                          "stops with TypeError"),
    "in place": (fold_in_place, "changes its argument kernel"),
    "the kernel only": (lambda *given: fold(*given)[0], "return kernel, bias, in this order"),
}

ALL = [("2.7", pn.re_estimated, RE_ESTIMATES, NOT_RE_ESTIMATES),
       ("2.11", pn.fine_tuned, FINE_TUNINGS, NOT_FINE_TUNINGS), ("2.12", pn.folded, FOLDS, NOT_FOLDS)]
UNANSWERED = {}
