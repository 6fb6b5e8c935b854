"""Answers to exercise 03."""

import numpy as np
import xarray as xr

from course_utils import stats
from course_utils.checks import dropout as do
from tests.checks.answers import blank, spread

# 3.1


def dropout(x, rate, rng, training):
    if not training:
        return x, np.ones(x.shape, bool)
    mask = rng.random(x.shape) >= rate
    return mask * x / (1 - rate), mask


def dropout_with_coins(x, rate, rng, training=True):
    keep = 1 - rate if training else 1.0
    mask = rng.binomial(1, keep, size=x.shape)
    return np.where(mask == 1, x / keep, 0.0), mask


def dropout_in_loops(x, rate, rng, training):
    out, mask = x.copy(), np.ones(x.shape)
    if training:
        for place in np.ndindex(x.shape):
            mask[place] = rng.choice([0.0, 1.0], p=[rate, 1 - rate])
            out[place] *= mask[place] / (1 - rate)
    return out, mask


def wrong_dropout(mask=lambda x, rate, rng: rng.random(x.shape) >= rate, scale=lambda mask, rate: 1 / (1 - rate),
                  inference=lambda x, rate: x, returned=lambda mask, rate: mask, silent=True):
    """A dropout with one mistake."""
    def answer(x, rate, rng, training):
        if silent and not training:
            return inference(x, rate), np.ones(x.shape)
        drawn = mask(x, rate, rng)
        return x * drawn * scale(drawn, rate), returned(drawn, rate)

    return answer


def _exactly(x, rate, rng):
    mask = np.arange(x.size) >= rate * x.size
    return rng.permutation(mask).reshape(x.shape)


def _exactly_in_each_row(x, rate, rng):
    return rng.permuted(np.tile(np.arange(x.shape[1]) >= rate * x.shape[1], (len(x), 1)), axis=1)


def _in_threes(x, rate, rng):
    """Neighbors share their fate."""
    return np.repeat(rng.random((len(x), x.shape[1] // 3)) >= rate, 3, axis=1)


def dropout_in_place(x, rate, rng, training):
    mask = dropout(x, rate, rng, training)[1]
    x *= mask / (1 - rate if training else 1)
    return x, mask


def dropout_seen(mask):
    """A dropout whose mask is a function of what comes out."""
    def answer(x, rate, rng, training):
        out, _ = dropout(x, rate, rng, training)
        return out, mask(out)

    return answer


def dropout_in_keras(x, rate, rng, training):
    import keras

    keep = 1 - rate if training else 1
    mask = rng.uniform(size=x.shape) < keep
    return keras.ops.stack([keras.ops.where(mask, x / keep, 0), keras.ops.cast(mask, "float64")])


DROPOUTS = [dropout, dropout_with_coins, dropout_in_loops, dropout_in_keras, lambda *given: np.stack(dropout(*given))]
NOT_DROPOUTS = {
    "not scaled": (wrong_dropout(scale=lambda m, r: 1), "so the expected value drops: divide them by 1 − rate"),
    "multiplied": (wrong_dropout(scale=lambda m, r: 1 - r), "multiplied by 1 − rate"),
    "divided by rate": (wrong_dropout(scale=lambda m, r: 1 / r if r else 1), "divided by rate: the share that is kept"),
    "scaled twice": (wrong_dropout(scale=lambda m, r: (1 - r)**-2), "not x / (1 − rate)"),
    "scaled by the share": (wrong_dropout(scale=lambda m, r: 1 / m.mean()), "the share that happens to be kept"),
    "rate of its own": (wrong_dropout(mask=lambda x, r, g: g.random(x.shape) >= 0.5), "a share of 0.500 is dropped"),
    "scale of its own": (wrong_dropout(scale=lambda m, r: 1 / 0.769 if r else 1), "with rate = 0.5, the kept units"),
    "scaled by a root": (wrong_dropout(scale=lambda m, r: (1 - r)**-0.5), "a unit that is kept is not x / (1 − rate)"),
    "mask of the positive": (dropout_seen(lambda out: out > 0), "out and mask are not 0 in the same places"),
    "mask of what is not 0": (dropout_seen(lambda out: out != 0), "whose value is 0 always counts as dropped"),
    "whole numbers": (wrong_dropout(mask=lambda x, r, g: g.integers(0, 10, x.shape) >= 10 * r),
                      "a share of 0.300 is dropped"),
    "hundred numbers": (wrong_dropout(mask=lambda x, r, g: g.integers(0, 100, x.shape) >= 100 * r),
                        "a share of 0.240 is dropped"),
    "rate is kept": (wrong_dropout(mask=lambda x, r, g: g.random(x.shape) < r, scale=lambda m, r: 1 / r),
                     "rate is treated as the share that is kept"),
    "normal numbers": (wrong_dropout(mask=lambda x, r, g: g.normal(size=x.shape) >= r), "uniform random numbers"),
    "one mask for all samples": (wrong_dropout(mask=lambda x, r, g: np.tile(g.random(x.shape[1]) >= r, (len(x), 1))),
                                 "all samples of a batch lose the same units"),
    "whole samples": (wrong_dropout(mask=lambda x, r, g: (g.random((len(x), 1)) >= r) * np.ones(x.shape)),
                      "a sample is dropped as a whole"),
    "exact number": (wrong_dropout(mask=_exactly), "the same number of units is dropped every time"),
    "exact number in each sample": (wrong_dropout(mask=_exactly_in_each_row), "the same number of units is dropped"),
    "neighbors together": (wrong_dropout(mask=_in_threes), "units are not dropped independently"),
    "the smallest": (wrong_dropout(mask=lambda x, r, g: x >= np.quantile(x, r)), "every call has the same mask"),
    "a generator of its own": (wrong_dropout(mask=lambda x, r, g: np.random.default_rng(0).random(x.shape) >= r),
                               "every call has the same mask"),
    "the global generator": (wrong_dropout(mask=lambda x, r, g: np.random.random(x.shape) >= r),
                             "the same rng gives a different mask"),
    "scaled mask": (wrong_dropout(returned=lambda m, r: m / (1 - r)), "do not include the scale"),
    "mask of the dropped": (wrong_dropout(returned=lambda m, r: ~m), "mask is 1 where a unit was dropped"),
    "mask of another draw": (wrong_dropout(returned=lambda m, r: m[::-1]), "out and mask are not 0 in the same places"),
    "scaled at inference": (wrong_dropout(inference=lambda x, r: (1 - r) * x), "inference has nothing left to do"),
    "drops at inference": (wrong_dropout(silent=False), "with training=False, the output is not x"),
    "nothing": (wrong_dropout(mask=lambda x, r, g: np.ones(x.shape)), "nothing is dropped"),
    "in place": (dropout_in_place, "changes its argument x"),
    "out only": (lambda *given: dropout(*given)[0], "return out, mask, in this order"),
    "nothing returned": (lambda *given: print(given), "return out, mask, in this order"),
}

# 3.2


def backward(dout, mask, rate):
    return dout * mask / (1 - rate)


def backward_where(dout, mask, rate):
    dx = np.zeros(dout.shape)
    dx[mask] = dout[mask] / (1 - rate)
    return dx


def backward_in_tensorflow(dout, mask, rate):
    import tensorflow as tf

    x = tf.ones(dout.shape, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = tf.where(mask, x / (1 - rate), 0)
    return tape.gradient(out, x, output_gradients=tf.constant(dout))


def backward_in_place(dout, mask, rate):
    dout[~mask] = 0
    return dout / (1 - rate)


def backward_in_keras(dout, mask, rate):
    import keras

    return keras.ops.where(mask, dout / (1 - rate), 0.0)


BACKWARDS = [backward, backward_where, backward_in_tensorflow, backward_in_keras]
NOT_BACKWARDS = {
    "not scaled": (lambda d, m, r: d * m, "the scale is missing"),
    "multiplied": (lambda d, m, r: d * m * (1 - r), "multiplied by 1 − rate"),
    "divided by rate": (lambda d, m, r: d * m / r, "divided by rate"),
    "scaled twice": (lambda d, m, r: d * m / (1 - r)**2, "the scale is applied twice"),
    "scaled by the share": (lambda d, m, r: d * m / m.mean(), "the scale uses the share of kept units in the mask"),
    "positive only": (lambda d, m, r: np.maximum(d, 0) * m / (1 - r), "the gradient of a kept unit is 0"),
    "a new mask": (lambda d, m, r: d * (np.random.random(d.shape) >= r) / (1 - r), "not a new one"),
    "a new mask, always the same": (lambda d, m, r: dropout(d, r, np.random.default_rng(0), True)[0],
                                    "the gradient of a dropped unit is not 0"),
    "both masks": (lambda d, m, r: dropout(d * m, r, np.random.default_rng(0), True)[0],
                   "the gradient of a kept unit is 0"),
    "no mask": (lambda d, m, r: d / (1 - r), "the gradient of a dropped unit is not 0"),
    "mask the wrong way round": (lambda d, m, r: d * ~m / (1 - r), "the gradient passes where a unit was dropped"),
    "rate of its own": (lambda d, m, r: d * m / 0.8, "with rate = 0.75"),
    "in place": (backward_in_place, "changes its argument dout"),
    "with the mask": (lambda d, m, r: (backward(d, m, r), m), "return one array"),
}

# 3.3


def network(*, order="dense relu drop", rate=lambda dropout: dropout, pixels=False, last="", softmax=True, hidden=2,
            kind="Dropout", forced=False, shape=(64,), units=10, activation="relu", width=64, noise_shape=None):
    """A maker of networks that differ from the right one by these arguments."""
    def build_model(dropout):
        import keras
        from keras import layers

        def drop(z):
            options = {"noise_shape": noise_shape} if noise_shape else {}
            layer = getattr(layers, kind)(rate(dropout), **options)
            return layer(z, training=True) if forced else layer(z)

        z = inputs = keras.Input(shape)
        if pixels:
            z = drop(z)
        for _ in range(hidden):
            for word in order.split():
                z = {"dense": layers.Dense(width), "relu": layers.Activation(activation), "drop": drop,
                     "tanh": layers.Activation("tanh"), "norm": layers.BatchNormalization()}[word](z)
        z = layers.Dense(units)(z)
        if last == "logits":
            z = drop(z)
        if softmax:
            z = layers.Softmax()(z)
        if last == "softmax":
            z = drop(z)
        return keras.Model(inputs, z)

    return build_model


def build_model(dropout):
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        model.add(layers.Dense(64, activation="relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def build_with_one_layer(dropout):
    """One Dropout layer draws anew each time it is called; with no dropout there is none."""
    import keras
    from keras import layers

    z = inputs = keras.Input((64,))
    drop = layers.Dropout(dropout)
    for _ in range(2):
        z = layers.Dense(64, activation="relu")(z)
        z = drop(z) if dropout else z
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(z))


def build_of_blocks(dropout):
    """Blocks without biases, one inside the other."""
    import keras
    from keras import layers

    def block():
        return keras.Sequential([layers.Dense(64, use_bias=False), layers.ReLU(), layers.Dropout(dropout)])

    return keras.Sequential([keras.Input((64,)), keras.Sequential([block(), block()]),
                             keras.Sequential([layers.Dense(10), layers.Softmax()])])


def build_from_behind(dropout):
    """Makes its layers in another order than that in which they work."""
    import keras
    from keras import layers

    last, *hidden = layers.Dense(10, activation="softmax"), layers.Dense(64, "relu"), layers.Dense(64, "relu")
    z = inputs = keras.Input((64,))
    for layer in hidden[::-1]:
        z = layers.Dropout(dropout)(layer(z))
    return keras.Model(inputs, last(z))


def build_with_operations(dropout):
    import keras
    from keras import layers

    z = inputs = keras.Input((64,))
    for _ in range(2):
        z = layers.Dropout(dropout)(keras.ops.relu(layers.Dense(64)(z)))
    return keras.Model(inputs, keras.ops.softmax(layers.Dense(10)(z)))


NETWORKS = [build_model, build_with_one_layer, network(order="dense drop relu"), build_of_blocks, build_from_behind,
            build_with_operations]
NOT_NETWORKS = {
    "none at all": (network(order="dense relu"), "nothing is dropped after hidden layer 1"),
    "behind the softmax": (network(last="softmax"), "dropout acts after the last Dense layer"),
    "behind the softmax only": (network(order="dense relu", last="softmax"), "dropout acts after the last Dense"),
    "before the softmax": (network(last="logits"), "dropout acts after the last Dense layer"),
    "pixels": (network(pixels=True), "pixels are dropped"),
    "the share that is kept": (network(rate=lambda d: 1 - d if d else 0), "the share that is dropped"),
    "rate of its own": (network(rate=lambda d: 0.5 if d else 0), "but at the wrong rate"),
    "always a rate": (network(rate=lambda d: d or 0.1), "with dropout=0, the network still drops units"),
    "twice": (network(order="dense drop relu drop"), "units are dropped twice after hidden layer 1"),
    "another noise": (network(kind="GaussianDropout"), "something other than dropout acts after hidden layer 1"),
    "always on": (network(forced=True), "the answers at inference are random"),
    "linear": (network(activation="linear"), "hidden layer 1 is not a Dense layer with ReLU"),
    "another activation": (network(activation="tanh"), "hidden layer 1 is not a Dense layer with ReLU"),
    "tanh and ReLU": (network(order="dense tanh relu drop"), "hidden layer 1 is not a Dense layer with ReLU"),
    "normalized": (network(order="dense norm relu drop"), "something other than dropout acts after hidden layer 1"),
    "one hidden layer": (network(hidden=1), "the number of hidden Dense layers is 1"),
    "three hidden layers": (network(hidden=3), "the number of hidden Dense layers is 3"),
    "narrow": (network(width=10), "the hidden layers have 10 and 10 units"),
    "one mask for all images": (network(noise_shape=(1, 64)), "all images of a batch lose the same units"),
    "whole images": (network(noise_shape=(None, 1)), "an image is dropped as a whole"),
    "logits": (network(softmax=False), "not probabilities"),
    "images": (network(shape=(8, 8)), "does not take images of 64 pixels"),
    "two classes": (network(units=2), "does not return 10 numbers"),
    "layers only": (lambda dropout: [dropout], "does not return a Keras model"),
}


# 3.4


def mc_dropout(model, x, passes):
    mean = np.mean([model(x, training=True) for _ in range(passes)], axis=0)
    return mean, -(mean * np.log(mean + 1e-12)).sum(axis=1)


def mc_dropout_in_one_call(model, x, passes):
    from scipy.stats import entropy

    answers = np.array(model(np.tile(x, (passes, 1)), training=True)).reshape(passes, len(x), -1)
    mean = answers.mean(0)
    return [mean, entropy(mean, axis=1)]


def mc_dropout_from_a_seed(model, x, passes):
    import keras

    keras.utils.set_random_seed(0)
    total = 0
    for _ in range(passes):
        total += model(x, training=True).numpy()
    p = np.maximum(total / passes, 1e-30)
    return total / passes, np.sum(p * np.log(1 / p), 1)


def rotated(x):
    return np.rot90(x.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)


def rotation_auroc(uncertainty, x, rng):
    from sklearn.metrics import roc_auc_score

    pairs = np.stack([uncertainty(x), uncertainty(rotated(x))])

    def auroc(pairs):
        return roc_auc_score(np.repeat([0, 1], pairs.shape[1]), pairs.ravel())

    resampled = [auroc(pairs[:, rng.integers(0, len(x), len(x))]) for _ in range(500)]
    return auroc(pairs), *np.percentile(resampled, [2.5, 97.5])


def half_a_win(turned, upright):
    return (turned > upright) + 0.5 * (turned == upright)


def auroc_by_pairs(uncertainty, x, rng, quantiles=(2.5, 97.5), resamples=600, draw=None, twins=True, win=half_a_win):
    """The share of pairs in which the rotated image is ahead; all images are asked at once, turned the other way."""
    n = len(x)
    turned = np.rot90(x.reshape(n, 8, 8), -1, (1, 2)).reshape(n, -1)
    both = uncertainty(np.concatenate([x, turned]))
    wins = win(both[n:, None], both[:n])
    scores = []
    for _ in range(resamples):
        first = rng.choice(n, n) if draw is None else draw(rng, n)
        scores.append(wins[np.ix_(first if twins else rng.choice(n, n), first)].mean())
    return [wins.mean(), *np.percentile(scores, quantiles)]


def auroc_by_standard_error(uncertainty, x, rng):
    """The same with a normal interval, by leaving out one image after the other."""
    a, b = uncertainty(x), uncertainty(rotated(x))
    wins = half_a_win(b[:, None], a)
    n, kept = len(x), np.eye(len(x)) == 0
    left_out = np.array([wins[np.ix_(one, one)].mean() for one in kept])
    error = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean())**2))
    return wins.mean(), wins.mean() - 1.96 * error, wins.mean() + 1.96 * error


def wrong_passes(measure=None, training=True, passes=lambda asked: asked, answer="mean", silent=0):
    """A mean of passes with one mistake; `measure` takes the answers (passes, N, classes)."""
    def mistaken(model, x, asked):
        answers = np.array([model(x, training=training and number >= silent).numpy()
                            for number in range(passes(asked))])
        mean = {"mean": answers.mean(0), "last": answers[-1], "sum": answers.sum(0)}[answer]
        return mean, _entropy(mean) if measure is None else measure(answers)

    return mistaken


def wrong_rotation(turn=rotated, finish=lambda auroc, low, high: (auroc, low, high), **settings):
    """An AUROC with one mistake."""
    def mistaken(uncertainty, x, rng):
        def said(images):
            return np.concatenate([uncertainty(x), uncertainty(turn(x))])

        return finish(*auroc_by_pairs(said, x, rng, **settings))

    return mistaken


def _entropy(p):
    return -(p * np.log(p + 1e-12)).sum(-1)


def _labels_resampled(uncertainty, x, rng):
    values = np.concatenate([uncertainty(x), uncertainty(rotated(x))])
    scores = []
    for _ in range(500):
        shuffled = rng.permutation(values)
        scores.append(half_a_win(shuffled[len(x):, None], shuffled[:len(x)]).mean())
    return half_a_win(values[len(x):, None], values[:len(x)]).mean(), *np.percentile(scores, [2.5, 97.5])


def _error_of_the_mean(uncertainty, x, rng):
    auroc, low, high = auroc_by_pairs(uncertainty, x, rng)
    return auroc, auroc - (high - low) / 2 / 600**0.5, auroc + (high - low) / 2 / 600**0.5


MONTE_CARLOS = [(mc_dropout, rotation_auroc), (mc_dropout_in_one_call, auroc_by_pairs),
                (mc_dropout_from_a_seed, rotation_auroc)]
NOT_MONTE_CARLOS = {
    **{name: ((answer, auroc_by_pairs), message) for name, (answer, message) in {
        "inference": (wrong_passes(training=False), "no unit is dropped in the passes"),
        "predict": (lambda model, x, passes: (model.predict(x, verbose=0), np.ones(len(x))), "no unit is dropped"),
        "a single pass": (wrong_passes(passes=lambda asked: 1), "is not the mean of the answers in training mode"),
        "a number of its own": (wrong_passes(passes=lambda asked: 150), "with passes = 1, you average more passes"),
        "one too many": (wrong_passes(passes=lambda asked: asked + 1), "with passes = 1, you average more passes"),
        "one too few": (wrong_passes(passes=lambda asked: max(asked - 1, 1)), "with passes = 2, you average fewer"),
        "one pass without noise": (wrong_passes(silent=1), "with passes = 1, you average more passes, or some"),
        "one more pass without noise": (wrong_passes(silent=1, passes=lambda asked: asked + 1), "or some without"),
        "few": (wrong_passes(passes=lambda asked: 1 if asked < 20 else asked), "with passes = 2, you average fewer"),
        "the last pass": (wrong_passes(answer="last"), "is not the mean of the answers in training mode"),
        "a sum": (wrong_passes(answer="sum"), "the means of an image are not probabilities"),
        "mean of the entropies": (wrong_passes(lambda answers: _entropy(answers).mean(0)),
                                  "first average the probabilities"),
        "information": (wrong_passes(lambda answers: _entropy(answers.mean(0)) - _entropy(answers).mean(0)),
                        "minus that of single passes"),
        "bits": (wrong_passes(lambda answers: _entropy(answers.mean(0)) / np.log(2)), "the entropy is in bits"),
        "sign": (wrong_passes(lambda answers: -_entropy(answers.mean(0))), "the entropy is negative"),
        "spread": (wrong_passes(lambda answers: answers.std(0).mean(-1)), "−Σ p log p over the classes"),
        "largest probability": (wrong_passes(lambda answers: 1 - answers.mean(0).max(-1)), "not the entropy of"),
        "over the images": (wrong_passes(lambda answers: _entropy(answers.mean(0).T)), "entropy has shape (3,)"),
        "nan": (wrong_passes(lambda answers: -(answers.mean(0) * np.log(answers.mean(0))).sum(-1)),
                "a probability of 0 gives nan"),
        "the mean only": (lambda *given: mc_dropout(*given)[0], "return mean, entropy, in this order"),
        "no function": (3, "not a function")}.items()},
    **{name: ((mc_dropout_in_one_call, answer), message) for name, (answer, message) in {
        "wrong axes": (wrong_rotation(lambda x: np.rot90(x.reshape(-1, 8, 8)).reshape(-1, 64)),
                       "neither upright nor turned"),
        "images upside down": (wrong_rotation(lambda x: x[:, ::-1]), "images are turned by 180°"),
        "mirrored": (wrong_rotation(lambda x: x.reshape(-1, 8, 8)[..., ::-1].reshape(-1, 64)), "neither upright nor"),
        "not flat": (wrong_rotation(lambda x: np.rot90(x.reshape(-1, 8, 8), axes=(1, 2))), "a network takes images as"),
        "not rotated": (wrong_rotation(lambda x: x), "is never called on turned images"),
        "standard error": (auroc_by_standard_error, "a different rng gives the same interval"),
        "a generator of its own": (lambda uncertainty, x, rng: rotation_auroc(uncertainty, x, np.random.default_rng(0)),
                                   "a different rng gives the same interval"),
        "fresh entropy": (lambda uncertainty, x, rng: rotation_auroc(uncertainty, x, np.random.default_rng()),
                          "the same rng gives a different interval"),
        "ties lose": (wrong_rotation(win=lambda turned, upright: turned > upright), "ties do not count as half"),
        "ties win": (wrong_rotation(win=lambda turned, upright: turned >= upright), "ties do not count as half"),
        "at least one half": (wrong_rotation(finish=lambda a, low, high: (max(a, 1 - a), low, high)),
                              "treats upright images as the positive class"),
        "classes swapped": (wrong_rotation(finish=lambda a, low, high: (1 - a, 1 - high, 1 - low)),
                            "treats upright images as the positive class"),
        "ends swapped": (wrong_rotation(finish=lambda a, low, high: (a, high, low)), "low is above high"),
        "middle first": (wrong_rotation(finish=lambda a, low, high: (low, a, high)), "the AUROC is wrong"),
        "without replacement": (wrong_rotation(draw=lambda rng, n: rng.permutation(n)), "the interval has no width"),
        "all but the first": (wrong_rotation(draw=lambda rng, n: rng.integers(1, n, n)), "some images are never drawn"),
        "all but the last": (wrong_rotation(draw=lambda rng, n: rng.integers(0, n - 1, n)), "images are never drawn"),
        "the last twice as often": (wrong_rotation(draw=lambda rng, n: rng.integers(-1, n, n)), "drawn more often"),
        "a standard deviation": (wrong_rotation(quantiles=(16, 84)), "leaves out a third"),
        "fractions as percentages": (wrong_rotation(quantiles=(0.025, 0.975)), "np.percentile takes percentages"),
        "90 %": (wrong_rotation(quantiles=(5, 95), resamples=1000), "leaves out more than 5%"),
        "half of the images": (wrong_rotation(draw=lambda rng, n: rng.choice(n, n // 2)), "the interval is too wide"),
        "twins apart": (wrong_rotation(twins=False), "drawn separately"),
        "labels shuffled": (_labels_resampled, "does not lie in its interval"),
        "error of the mean": (_error_of_the_mean, "far too narrow"),
        "the AUROC only": (lambda *given: rotation_auroc(*given)[0], "return auroc, low, high, in this order"),
    }.items()},
}

# 3.5

TUNING = [90, 91, 92]


def dropout_gain(runs, tuning):
    final = runs.val_accuracy.isel(epoch=-1)
    best = final.sel(seed=tuning).mean("seed").idxmax("learning_rate")
    measured = final.drop_sel(seed=tuning).sel(learning_rate=best)
    without, rate = runs.dropout.values
    gain = stats.paired_difference(measured, "dropout", between=(without, rate))
    return gain["mean"], gain.low, gain.high


def dropout_gain_in_loops(runs, tuning):
    from scipy.stats import ttest_1samp

    rows = []
    scores = runs.val_accuracy.transpose("label_noise", "dropout", "learning_rate", "seed", "epoch").values[..., -1]
    chooses = np.isin(runs.seed, tuning)
    for level in scores:
        arms = [arm[arm[:, chooses].mean(1).argmax()][~chooses] for arm in level]
        difference = arms[1] - arms[0]
        interval = ttest_1samp(difference, 0).confidence_interval()
        rows.append([difference.mean(), interval.low, interval.high])
    return np.array(rows).T


def dropout_gain_as_it_comes(runs, tuning):
    from course_utils.experiments.tuning import at_best

    measured = at_best("learning_rate", runs, seeds=tuning).val_accuracy.isel(epoch=-1)
    return stats.paired_difference(measured, "dropout", between=tuple(runs.dropout.values))


def careless(finish=lambda mean, low, high: (mean, low, high), **slip):
    """A gain with one mistake."""
    return lambda runs, tuning: finish(*do.gains(runs, tuning, **slip))


def gain_of(choose):
    """A gain whose learning rates are the best by a function of runs and tuning seeds."""
    def answer(runs, tuning):
        best = choose(runs.val_accuracy, tuning).idxmax("learning_rate")
        measured = runs.val_accuracy.isel(epoch=-1).drop_sel(seed=tuning).sel(learning_rate=best)
        return stats.paired_difference(measured, "dropout", between=tuple(runs.dropout.values))

    return answer


def sweep(gained=(-0.02, 0.0, 0.03), noise=(0.0, 0.2, 0.4), rates=(0.03, 0.1, 0.3), dropout=(0.0, 0.2), seeds=12,
          tuning=3, accuracy=0.9, epochs=12):
    """What `fit_many` might have returned, dropout gaining so much at each label noise."""
    rng = np.random.default_rng(5)
    all_seeds = [*TUNING[:tuning], *range(seeds)]
    scores = accuracy + np.zeros((len(rates), len(noise), len(dropout), len(all_seeds), epochs))
    scores += rng.normal(0, 0.004, scores.shape)
    scores[:, :, 1:] += np.reshape(gained, (1, -1, 1, 1, 1))
    return xr.Dataset({"val_accuracy": (("learning_rate", "label_noise", "dropout", "seed", "epoch"), scores)}, {
        "learning_rate": list(rates), "label_noise": list(noise), "dropout": list(dropout), "seed": all_seeds})


SWEEP = sweep()
GAINS = [(dropout_gain, SWEEP, TUNING, [0.4]), (dropout_gain_in_loops, SWEEP, TUNING, {0.4}),
         (dropout_gain_as_it_comes, SWEEP, TUNING, SWEEP.label_noise[2:]),
         (dropout_gain, sweep((0.02, -0.01, -0.03)), TUNING, np.array([0.0]))]
NOT_GAINS = {
    **{name: ((answer, SWEEP, TUNING, [0.4]), message) for name, (answer, message) in {
        **{f"chooses by {name}": (gain_of(choose), "the mean gain is wrong for made-up runs") for name, choose in {
            "the median": lambda scores, tuning: scores.isel(epoch=-1).sel(seed=tuning).median("seed"),
            "one seed": lambda scores, tuning: scores.isel(epoch=-1).sel(seed=tuning[:1]).mean("seed"),
            "the worst seed": lambda scores, tuning: scores.isel(epoch=-1).sel(seed=tuning).min("seed"),
            "the first epoch": lambda scores, tuning: scores.isel(epoch=0).sel(seed=tuning).mean("seed"),
            "all epochs": lambda scores, tuning: scores.sel(seed=tuning).mean(["seed", "epoch"]),
            "the best epoch": lambda scores, tuning: scores.sel(seed=tuning).max("epoch").mean("seed")}.items()},
        "sign": (careless(lambda mean, low, high: (-mean, -high, -low)), "the wrong sign"),
        "order": (careless(lambda mean, low, high: (low, mean, high)), "the wrong order"),
        "best epoch": (careless(score="best epoch"), "picking the best epoch biases the score"),
        "all seeds choose": (careless(choose="all"), "influence the learning rates"),
        "others choose": (careless(choose="others"), "influence the learning rates"),
        "each seed chooses": (careless(choose="each"), "best for its own seed"),
        "all rates": (careless(choose="mean"), "averaged over the learning rates"),
        "one rate for both": (careless(common="dropout"), "the comparison favors one arm"),
        "one rate for all noise": (careless(common="label_noise"), "the same learning rate at every label-noise level"),
        "tuning seeds measure too": (careless(measure="all"), "leave them out of the difference"),
        "tuning seeds measure": (careless(measure="tuning"), "the gain is measured on the tuning seeds"),
        "unpaired": (careless(paired=False), "the interval treats the runs as unpaired"),
        "one level": (careless(lambda mean, low, high: (mean[0], low[0], high[0])), "mean has shape ()"),
        "the mean only": (careless(lambda mean, low, high: mean), "5 values: return mean, low, high"),
        "half the width": (careless(lambda mean, low, high: (mean, (mean + low) / 2, (mean + high) / 2)),
                           "not computed from paired differences"),
        "doubled": (careless(lambda mean, low, high: (2 * mean, low, high)), "the mean gain is wrong for made-up runs"),
    }.items()},
    "one tuning seed": ((dropout_gain, SWEEP, [90], [0.4]), "a single seed chooses the learning rates"),
    **{name: ((dropout_gain, runs, TUNING, helps), message) for name, (runs, helps, message) in {
        "no runs": (3, [0.4], "not what fit_many returns"),
        "one rate": (SWEEP.isel(learning_rate=0), [0.4], "no dimension learning_rate"),
        "two rates": (sweep(rates=(0.1, 0.3)), [0.4], "fewer than three learning rates"),
        "one epoch": (sweep(epochs=1), [0.4], "fewer than ten epochs"),
        "three arms": (sweep(dropout=(0.0, 0.2, 0.5)), [0.4], "not dropout 0 and another rate"),
        "no arm without": (sweep(dropout=(0.2, 0.5)), [0.4], "not dropout 0 and another rate"),
        "little noise": (sweep(noise=(0.0, 0.05, 0.1)), [0.1], "from 0 to 0.3 or more"),
        "few seeds": (sweep(seeds=5), [0.4], "fewer than ten seeds are left to measure"),
        "no tuning seeds": (sweep(tuning=0), [0.4], "the runs do not include the tuning seeds"),
        "two questions": (SWEEP.expand_dims(width=[64]), [0.4], "runs also varies width"),
        "not trained": (sweep(accuracy=0.3), [0.4], "has learned the digits"),
        "everywhere": (SWEEP, [0.0, 0.2, 0.4], "at label noise 0, dropout hurts"),
        "wishful": (SWEEP, [0.2, 0.4], "at label noise 0.2, the interval of the gain contains 0"),
        "nowhere": (SWEEP, [], "at label noise 0.4, dropout helps, but helps does not include it"),
        "elsewhere": (SWEEP, [0.5], "that you did not try"),
        "a number": (SWEEP, 0.4, "not a list of label-noise levels"),
        "a word": (SWEEP, "everywhere", "not a list of label-noise levels")}.items()},
}

# 3.6

FLAWS = [{"a", "c", "e", "g", "i"}, "acegi", ["I", "G", "E", "C", "A"], np.array(list("acegi")),
         dict.fromkeys("acegi").keys()]
NOT_FLAWS = {
    "all": (set("abcdefghi"), "only add scatter"),
    "dropout in the test": (set("acdegi"), "at inference, all units work together"),
    "training below test": (set("acefgi"), "measured with units missing"),
    "large activations": (set("aceghi"), "to preserve the expected value"),
    "seed let pass": (set("cegi"), "were trained again"),
    "width let pass": (set("aegi"), "besides the rate"),
    "rate let pass": (set("acgi"), "for which of the six networks"),
    "edge let pass": (set("acei"), "turn down again"),
    "title let pass": (set("aceg"), "more than the curve shows"),
    "unknown": ({"x"}, "there is no objection x"),
}

ALL = [("3.1", do.forward, DROPOUTS, NOT_DROPOUTS), ("3.2", do.backward, BACKWARDS, NOT_BACKWARDS),
       ("3.3", do.network, NETWORKS, NOT_NETWORKS),
       ("3.4", spread(do.monte_carlo), MONTE_CARLOS, NOT_MONTE_CARLOS),
       ("3.5", spread(do.gain), GAINS, NOT_GAINS), ("3.6", do.referee, FLAWS, NOT_FLAWS)]
# Those that ask for more than one function, or for none.
UNANSWERED = {"3.4": [(..., ...), (blank, blank), (mc_dropout, blank)],
              "3.5": [(blank, ..., TUNING, ...), (dropout_gain, SWEEP, TUNING, ...), (blank, SWEEP, TUNING, [0.4])],
              "3.6": [..., set()]}
