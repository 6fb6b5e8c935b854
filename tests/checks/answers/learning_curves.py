"""Answers to exercise 01."""

from types import SimpleNamespace

import numpy as np
from scipy import optimize, stats

from course_utils.checks import learning_curves as lc
from course_utils.stats import seeds_needed

# 1.1


def curve(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    order = rng.permutation(len(x_train))
    scores = []
    for size in sizes:
        model = make_model()
        model.fit(x_train[order[:size]], y_train[order[:size]])
        scores.append([model.score(x_train[order[:size]], y_train[order[:size]]), model.score(x_val, y_val)])
    return np.array(scores)


def curve_from_shuffled_copies(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    order = rng.choice(len(x_train), len(x_train), replace=False)
    x, y = x_train[order], y_train[order]
    models = [make_model().fit(x[:size], y[:size]) for size in sizes]
    return [(model.score(x[:size], y[:size]), model.score(x_val, y_val))
            for model, size in zip(models, sizes, strict=True)]


def curve_growing(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    """Adds new samples to those it has."""
    chosen, scores = np.zeros(0, int), np.zeros((len(sizes), 2))
    for row, size in enumerate(sizes):
        rest = np.setdiff1d(np.arange(len(x_train)), chosen)
        chosen = np.concatenate([chosen, rng.choice(rest, size - len(chosen), replace=False)])
        model = make_model()
        model.fit(x_train[chosen], y_train[chosen])
        scores[row] = model.score(x_train[chosen], y_train[chosen]), model.score(x_val, y_val)
    return scores


def curve_from_the_largest(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    """Builds all models first, and begins with the largest."""
    order, models = rng.permutation(len(x_train)), [make_model() for _ in sizes]
    scores = {}
    for size, model in zip(sizes[::-1], models, strict=True):
        x, y = x_train[order[:size]], y_train[order[:size]]
        scores[size] = model.fit(x, y).score(x, y), model.score(x_val, y_val)
    return np.array([scores[size] for size in sizes])


def wrong_curve(draw=None, *, one_model=False, mixed=False, score=None, leak=False):
    """A learning curve with one mistake; `draw` is a function (samples, size, rng) → indices."""
    def answer(make_model, x_train, y_train, x_val, y_val, sizes, rng):
        order, scores, model = rng.permutation(len(x_train)), [], make_model()
        if leak:
            x_train, y_train = np.concatenate([x_val, x_train]), np.concatenate([y_val, y_train])
        for size in sizes:
            subset = order[:size] if draw is None else draw(len(x_train), size, rng)
            model = model if one_model else make_model()
            model.fit(x_train[subset], y_train[:size] if mixed else y_train[subset])
            parts = {"train": model.score(x_train[subset], y_train[subset]), "val": model.score(x_val, y_val),
                     "whole": model.score(x_train, y_train)}
            scores.append([parts[name] for name in (score or ("train", "val"))])
        return np.array(scores)

    return answer


def curve_of_an_order(order):
    """A learning curve whose subsets begin the `order` that a function (samples, sizes, rng) gives."""
    def answer(*given):
        *others, sizes, rng = given
        return curve(*others, sizes, SimpleNamespace(permutation=lambda n: order(n, sizes, rng)))

    return answer


def curve_of_unfitted_models(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    return [[make_model().score(x_train[:size], y_train[:size]), make_model().score(x_val, y_val)] for size in sizes]


def curve_backward(make_model, x_train, y_train, x_val, y_val, sizes, rng):
    """Begins with the largest, and puts each point before the others."""
    order, scores = rng.permutation(len(x_train)), []
    for n in sizes[::-1]:
        model = make_model().fit(x_train[order[:n]], y_train[order[:n]])
        scores.insert(0, (model.score(x_train[order[:n]], y_train[order[:n]]), model.score(x_val, y_val)))
    return np.array(scores)


CURVES = [curve, curve_from_shuffled_copies, curve_growing, curve_from_the_largest, curve_backward]
NOT_CURVES = {
    "first rows": (wrong_curve(lambda n, size, rng: np.arange(size)), "the first rows of the data"),
    "not nested": (wrong_curve(lambda n, size, rng: rng.permutation(n)[:size]), "not nested"),
    "with replacement": (wrong_curve(lambda n, size, rng: rng.integers(n, size=size)), "some samples twice"),
    "shuffled first rows": (curve_of_an_order(lambda n, sizes, rng: rng.permutation(sizes[-1])),
                            "drawn more often than others"),
    "sorted subset": (curve_of_an_order(lambda n, sizes, rng: np.sort(rng.permutation(n)[:sizes[-1]])),
                      "drawn more often than others"),
    "a block": (curve_of_an_order(lambda n, sizes, rng: np.arange(rng.integers(n), 2 * n) % n),
                "always drawn together"),
    "global generator": (wrong_curve(lambda n, size, rng: np.random.permutation(n)[:size]), "not nested"),
    "seed of its own": (wrong_curve(lambda n, size, rng: np.random.default_rng(0).permutation(n)[:size]),
                        "a different rng gives the same subset"),
    "fresh entropy": (lambda *answers: curve(*answers[:-1], np.random.default_rng()), "the same rng gives a different"),
    "one model": (wrong_curve(one_model=True), "more than one subset"),
    "labels of others": (wrong_curve(mixed=True), "do not match"),
    "validation in training": (wrong_curve(lambda n, size, rng: np.arange(size), leak=True),
                               "is trained on validation samples"),
    "columns swapped": (wrong_curve(score=("val", "train")), "columns are swapped"),
    "training score on everything": (wrong_curve(score=("whole", "val")), "on all of x_train"),
    "no validation": (wrong_curve(score=("train", "train")), "not computed on the validation set"),
    "one column": (lambda *answers: curve(*answers)[:, 1], "it should be (3, 2)"),
    "never fitted": (curve_of_unfitted_models,
                     "the model is scored before it is trained: call model.fit(…) before model.score(…)"),
    "sizes forgotten": (lambda m, x, y, xv, yv, sizes, rng: curve(m, x, y, xv, yv, [10, 20, 30], rng),
                        "the requested sizes"),
}

# 1.2

RIGHT = {network: name for network, (name, _) in lc.DIAGNOSES.items()}
DIAGNOSES = [RIGHT, {network.lower(): f" {name.upper()} " for network, name in RIGHT.items()},
             RIGHT | {"D": "cold statistics", "H": "learns wrong labels"}]
NOT_DIAGNOSES = {
    **{f"{network} wrong": (RIGHT | {network: "healthy"}, hint) for network, (_, hint) in lc.DIAGNOSES.items()},
    "swapped": (RIGHT | {"C": "too small", "E": "rate too low"}, "C has a different diagnosis (6 of 8 are right)"),
    "one missing": ({network: name for network, name in RIGHT.items() if network != "G"}, "no diagnosis for network G"),
    "one open": (RIGHT | {"B": ...}, "there is no diagnosis for network B"),
    "unknown name": (RIGHT | {"A": "flu"}, "“flu” for network A is not in the list"),
    "unknown network": (RIGHT | {"J": "leak"}, "there is no network J"),
    "a list": (list(RIGHT.values()), "not a dictionary"),
}

# 1.3


def interval(first, second, level):
    difference = second - first
    half = stats.t.ppf((1 + level) / 2, len(first) - 1) * difference.std(ddof=1) / np.sqrt(len(first))
    return difference.mean(), difference.mean() - half, difference.mean() + half


def interval_by_scipy(first, second, level):
    found = stats.ttest_rel(second, first).confidence_interval(level)
    return [np.mean(second - first), found.low, found.high]


def interval_by_t(first, second, level):
    d = np.subtract(second, first)
    return d.mean(), *stats.t.interval(level, len(d) - 1, loc=d.mean(), scale=stats.sem(d))


def half_width(half):
    """An interval whose half width is a function of the differences, both samples and the level."""
    def answer(first, second, level):
        d = second - first
        return d.mean(), d.mean() - half(d, first, second, level), d.mean() + half(d, first, second, level)

    return answer


def _t(d, level):
    return stats.t.ppf((1 + level) / 2, len(d) - 1)


INTERVALS = [interval, interval_by_scipy, interval_by_t, lambda *given: np.float32(interval(*given))]
NOT_INTERVALS = {
    "sign": (lambda a, b, level: interval(b, a, level), "the wrong sign"),
    "absolute value": (lambda a, b, level: interval(a, b, level) if b.mean() > a.mean() else interval(b, a, level),
                       "wrong sign: compute second minus first, which may be negative"),
    "clipped": (lambda a, b, level: np.maximum(interval(a, b, level), [-np.inf, 0, -np.inf]),
                "is not symmetric about the mean"),
    "normal for many": (lambda a, b, level: interval(a, b, level) if len(a) < 30 else half_width(
        lambda d, a, b, level: stats.norm.ppf((1 + level) / 2) * d.std(ddof=1) / len(d)**0.5)(a, b, level),
                        "normal distribution"),
    "variance": (half_width(lambda d, a, b, level: _t(d, level) * d.var(ddof=1) / len(d)**0.5),
                 "used the variance instead of the standard deviation"),
    "quantiles": (lambda a, b, level: ((b - a).mean(), *np.quantile(b - a, [(1 - level) / 2, (1 + level) / 2])),
                  "from Student's t, not from quantiles"),
    "unpaired": (half_width(lambda d, a, b, level: stats.t.ppf((1 + level) / 2, 2 * (len(a) - 1)) * np.sqrt(
        (a.var(ddof=1) + b.var(ddof=1)) / len(a))), "unpaired"),
    "normal": (half_width(lambda d, a, b, level: stats.norm.ppf((1 + level) / 2) * d.std(ddof=1) / len(d)**0.5),
               "normal distribution"),
    "1.96": (half_width(lambda d, a, b, level: 1.96 * d.std(ddof=1) / len(d)**0.5), "normal distribution"),
    "ddof": (half_width(lambda d, a, b, level: _t(d, level) * d.std() / len(d)**0.5), "divides by N"),
    "no root n": (half_width(lambda d, a, b, level: _t(d, level) * d.std(ddof=1)), "√n times less"),
    "one-sided": (half_width(lambda d, a, b, level: stats.t.ppf(level, len(d) - 1) * d.std(ddof=1) / len(d)**0.5),
                  "2.5% on each"),
    "level ignored": (lambda a, b, level: interval(a, b, 0.95), "use the argument level"),
    "low and high swapped": (lambda a, b, level: [interval(a, b, level)[i] for i in (0, 2, 1)], "low is above high"),
    "degrees of freedom": (half_width(lambda d, a, b, level: stats.t.ppf((1 + level) / 2, len(d)) * d.std(
        ddof=1) / len(d)**0.5), "n runs have n − 1"),
    "low first": (lambda a, b, level: [interval(a, b, level)[i] for i in (1, 0, 2)], "in the wrong order"),
    "mean only": (lambda a, b, level: (b - a).mean(), "return mean, low, high, in this order"),
}

# 1.4


def seeds_by_power(effect, pilot):
    """The smallest n whose noncentral t says 0.8."""
    n = 2
    while stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect / np.std(pilot, ddof=1) * n**0.5) < 0.8:
        n += 1
    return n


SEEDS = [lambda effect, pilot: seeds_needed(effect, pilot.std(ddof=1)), seeds_by_power,
         lambda effect, pilot: float(seeds_needed(effect, np.std(pilot, ddof=1), paired=True, power=0.8))]
NOT_SEEDS = {
    "unpaired": (lambda effect, pilot: seeds_needed(effect, pilot.std(ddof=1), paired=False), "paired=True"),
    "ddof": (lambda effect, pilot: seeds_needed(effect, pilot.std()), "ddof=1"),
    "no power": (lambda effect, pilot: np.ceil((1.96 * pilot.std(ddof=1) / effect)**2), "only half of the time"),
    "effect of the pilot": (lambda effect, pilot: seeds_needed(abs(pilot.mean()), pilot.std(ddof=1)),
                            "you used the effect found in the pilot"),
    "variance": (lambda effect, pilot: seeds_needed(effect, pilot.var(ddof=1)), "take its square root"),
    "always four": (lambda effect, pilot: 4, "the number of seeds is wrong"),
    "standard error": (lambda effect, pilot: seeds_needed(effect, pilot.std(ddof=1) / len(pilot)**0.5),
                       "how much does a *single* difference vary"),
    "approximate formula": (lambda effect, pilot: np.ceil((2.8 * pilot.std(ddof=1) / effect)**2),
                            "an approximation"),
    "not rounded": (lambda effect, pilot: seeds_needed(effect, pilot.std(ddof=1)) - 0.4, "not an integer"),
}

# 1.5


def law(n, a, b, c):
    return a * n**-b + c


def fit(sizes, errors):
    return optimize.curve_fit(law, sizes, errors, p0=(1, 0.5, 0.05), bounds=([0, 0, 0], [np.inf, 3, 1]),
                              maxfev=20_000)[0]


def fit_by_minimize(sizes, errors):
    """Least squares, the scale taken at the middle size."""
    def residuals(p):
        return p[0] * (sizes / 90)**-p[1] + p[2] - errors

    a, b, c = optimize.least_squares(residuals, (0.1, 0.5, 0.01), bounds=([0, 0, 0], [np.inf, 3, 1]), xtol=1e-12,
                                     ftol=1e-12).x
    return a * 90**b, b, c


def fit_on_a_grid(sizes, errors):
    """For each rate, scale and floor follow by linear least squares."""
    best = None
    for b in np.linspace(0.01, 3, 3000):
        design = np.stack([sizes**-b, np.ones(len(sizes))], axis=1)
        (a, c), rest = optimize.nnls(design, errors)
        if best is None or rest < best[0]:
            best = rest, a, b, c
    return best[1:]


def straight(sizes, errors):
    slope, intercept = np.polyfit(np.log(sizes), np.log(errors), 1)
    return np.exp(intercept), -slope, 0.0


LAWS = [fit, fit_by_minimize, fit_on_a_grid]
NOT_LAWS = {
    "straight line": (straight, "you fitted a straight line to the logarithms"),
    "rate negative": (lambda n, e: fit(n, e) * [1, -1, 1], "the rate b is negative"),
    "another order": (lambda n, e: fit(n, e)[::-1], "return a, b, c"),
    "no bounds": (lambda n, e: optimize.curve_fit(law, n, e, p0=(1, 0.5, 0.05), maxfev=20_000)[0],
                  "the floor is negative"),
    "a word": (lambda n, e: "a, b, c", "of type str"),
    "two numbers": (lambda n, e: fit(n, e)[:2], "2 values: return a, b, c"),
    "floor of its own": (lambda n, e: (*np.exp(np.polyfit(np.log(n), np.log(e), 1)[::-1]) * [1, 0], 0.01),
                         "does not fit errors"),
    "small scale": (lambda n, e: optimize.curve_fit(law, n, e, p0=(1, 0.5, 0.05), bounds=(0, [1, 3, 1]))[0],
                    "does not fit errors"),
    "constant": (lambda n, e: (0.0, 1.0, e.mean()), "does not fit errors"),
}

# 1.6


def decide(sizes, errors):
    hidden = law(sizes[-1], *fit(sizes[:-1], errors[:-1]))
    if abs(hidden / errors[-1] - 1) > 0.12:
        return "cannot tell"
    numbers = fit(sizes, errors)
    return "buy" if law(sizes[-1], *numbers) - law(2 * sizes[-1], *numbers) >= 0.015 else "do not buy"


def decide_with_the_course(sizes, errors):
    import xarray as xr

    from course_utils import power_law

    def runs(count):
        return xr.DataArray(np.tile(errors[:count], (2, 1)), {"seed": range(2), "train_size": sizes[:count]})

    if abs(power_law.fit(runs(-1), resamples=1)(sizes[-1]) - errors[-1]) > 0.12 * errors[-1]:
        return " Cannot tell"
    now, twice = power_law.fit(runs(len(sizes)), resamples=1)([sizes[-1], 2 * sizes[-1]])
    return "BUY" if now - twice >= 0.015 else "do not buy"


def careless(*, tested=True, two_sided=True, least=0.015, doubled=True, hidden=1, most=0.12, absolute=False, own=None):
    """A decision with one mistake."""
    def answer(sizes, errors):
        miss = law(sizes[-1], *fit(sizes[:-hidden], errors[:-hidden])) - errors[-1]
        miss = miss if absolute else miss / errors[-1]
        if tested and (abs(miss) if two_sided else miss) > most:
            return "cannot tell"
        numbers, last = fit(sizes, errors), own or sizes[-1]
        gain = law(last, *numbers) - law(2 * last, *numbers)
        return "buy" if (gain if doubled else errors[0] - errors[-1]) >= least else "do not buy"

    return answer


def excusing(sizes, errors):
    """The back-test is made with the law that has seen everything."""
    numbers = fit(sizes, errors)
    if abs(law(sizes[-1], *numbers) / errors[-1] - 1) > 0.12:
        return "cannot tell"
    return "buy" if law(sizes[-1], *numbers) - law(2 * sizes[-1], *numbers) >= 0.015 else "do not buy"


DECISIONS = [decide, decide_with_the_course]
NOT_DECISIONS = {
    "no back-test": (careless(tested=False), "misses the largest size"),
    "one-sided": (careless(two_sided=False), "absolute value"),
    "two hidden": (careless(hidden=2), "does not use all sizes but the largest"),
    "256 to 512": (careless(own=256), "gains 1.4 points, your answer is “buy”"),
    "5 %": (careless(most=0.05), "a miss of 11% is rejected"),
    "1.2 %": (careless(most=0.012), "a miss of 11% is rejected"),
    "0.05": (careless(most=0.05, absolute=True), "a miss of 13% is accepted"),
    "0.012": (careless(most=0.012, absolute=True), "a miss of 11% is rejected"),
    "0.12": (careless(most=0.12, absolute=True), "divide its absolute value by the measured error"),
    "any gain": (careless(least=0.0), "you buy data for a flat curve"),
    "a point": (careless(least=0.01), "gains 1.4 points, your answer is “buy”"),
    "two points": (careless(least=0.02), "gains 1.6 points, your answer is “do not buy”"),
    "one fit for both": (excusing, "a miss of 13% is accepted"),
    "relative to what the law says": (lambda sizes, errors: decide(sizes, errors) if abs(
        1 - errors[-1] / law(sizes[-1], *fit(sizes[:-1], errors[:-1]))) > 0.12 else careless(tested=False)(
            sizes, errors), "a miss of 13% is accepted"),
    "looks back": (careless(doubled=False), "reached its floor"),
    "always buy": (lambda sizes, errors: "buy", "flat curve"),
    "never buy": (lambda sizes, errors: "do not buy", "you do not buy when the curve is still falling"),
    "true or false": (lambda sizes, errors: True, "does not return text"),
    "another word": (lambda sizes, errors: "yes", "is not one of the three answers"),
}

# 1.7

FLAWS = [{"a", "c", "d", "f"}, "acdf", ["F", "D", "C", "A"], np.array(list("acdf")), dict.fromkeys("acdf").keys(),
         "a, c, d, f", frozenset("acdf"), ("a", "c", "d", "f")]
NOT_FLAWS = {
    "all": (set("abcdefg"), "comparison more precise"),
    "yardstick": (set("acdef"), "another metric"),
    "epochs": (set("acdfg"), "another experiment"),
    "seed let pass": (set("cdf"), "were run again"),
    "choice let pass": (set("adf"), "the best of five was chosen"),
    "test set let pass": (set("acf"), "chose the number of epochs"),
    "axis let pass": (set("acd"), "how much of each bar"),
    "unknown": (set("acdfx"), "there is no objection x"),
}

# 1.8


def trainer(**choices):
    """A training function that is right, except for what it chooses in another way.

    Each choice is a function whose keyword arguments are Keras, the model, the data, and the number of epochs.
    """
    def train(model, x_train, y_train, x_val, y_val, epochs):
        import keras

        given = {"keras": keras, "model": model, "x": x_train, "y": y_train, "xv": x_val, "yv": y_val, "epochs": epochs}
        chosen = {"fitted": model, "data": (x_train, y_train), "optimizer": keras.optimizers.SGD(0.1),
                  "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "fit": {}}
        chosen |= {name: choice(**given) for name, choice in choices.items()}
        chosen["fitted"].compile(chosen["optimizer"], loss=chosen["loss"], metrics=["accuracy"])
        history = chosen["fitted"].fit(*chosen["data"], **{
            "validation_data": (x_val, y_val), "epochs": epochs, "verbose": 0} | chosen["fit"])
        return chosen.get("result", history.history)

    return train


def cosine(steps):
    """Plain SGD whose rate follows a cosine; `steps` is a function (samples, epochs)."""
    return lambda keras, x, epochs, **_: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, steps(len(x), epochs)))


def with_softmax(keras, model, **_):
    return keras.Sequential([model, keras.layers.Softmax()])


def softmax_added(keras, model, **_):
    model.add(keras.layers.Softmax())
    return model


ONE_HOT = {"data": lambda keras, x, y, **_: (x, keras.utils.to_categorical(y)),
           "fit": lambda keras, xv, yv, **_: {"validation_data": (xv, keras.utils.to_categorical(yv))}}
PROBABILITIES = {"loss": lambda **_: "sparse_categorical_crossentropy"}


def from_a_dataset(model, x_train, y_train, x_val, y_val, epochs):
    import keras
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(len(x_train)).batch(16)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model.fit(data, epochs=epochs, verbose=2,
                     validation_data=tf.data.Dataset.from_tensor_slices((x_val, y_val)).batch(40)).history


def train_on_batches(model, x_train, y_train, x_val, y_val, epochs):
    import keras

    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    curves, rng = {"val_loss": []}, np.random.default_rng(1)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(x_train)), 10):
            model.train_on_batch(x_train[rows], y_train[rows])
        curves["val_loss"].append(model.evaluate(x_val, y_val, verbose=0))
    return curves


TRAINERS = [
    trainer(), from_a_dataset, train_on_batches,
    trainer(optimizer=cosine(lambda n, epochs: epochs * -(-n // 32))),
    trainer(optimizer=cosine(lambda n, epochs: epochs * (n // 32))),
    trainer(optimizer=lambda **_: "adam"),
    trainer(optimizer=lambda keras, **_: keras.optimizers.RMSprop(0.003)),
    trainer(fitted=with_softmax, **PROBABILITIES), trainer(fitted=softmax_added, **PROBABILITIES),
    trainer(loss=lambda keras, **_: keras.losses.CategoricalCrossentropy(from_logits=True), **ONE_HOT),
    trainer(fit=lambda keras, **_: {"batch_size": 8, "callbacks": [
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)]})]
NOT_TRAINERS = {
    "labels left": (trainer(loss=lambda **_: "categorical_crossentropy"), "stops with ValueError"),
    "logits left": (trainer(**PROBABILITIES), "takes the outputs for probabilities"),
    "split left": (trainer(fit=lambda **_: {"validation_data": None, "validation_split": 0.2}),
                   "is not validated on x_val"),
    "epochs left": (trainer(optimizer=cosine(lambda n, epochs: epochs)), "after 12 of 120 batches"),
    "batches of one epoch": (trainer(optimizer=cosine(lambda n, epochs: -(-n // 32))), "after 10 of 120 batches"),
    "validated on training data": (trainer(fit=lambda x, y, **_: {"validation_data": (x, y)}),
                                   "is not validated on x_val"),
    "not validated": (trainer(fit=lambda **_: {"validation_data": None}), "is not validated on x_val"),
    "some set aside": (trainer(data=lambda x, y, **_: (x[::2], y[::2])), "is not trained on all of x_train"),
    "trained on everything": (trainer(data=lambda x, y, xv, yv, **_: (np.concatenate([x, xv]), np.append(y, yv))),
                              "is trained on validation samples"),
    "other labels": (trainer(fit=lambda xv, yv, **_: {"validation_data": (xv, yv[::-1])}), "val_loss is not"),
    "another loss": (trainer(loss=lambda **_: "mse", **ONE_HOT), "val_loss is not"),
    "hardly learns": (trainer(optimizer=lambda keras, **_: keras.optimizers.SGD(1e-5)), "are classified correctly"),
    "a copy": (trainer(fitted=lambda keras, model, **_: keras.models.clone_model(model)), "the model is not trained"),
    "returns the model": (trainer(result=lambda model, **_: model), "does not return curves"),
}

ALL = [("1.1", lc.by_hand, CURVES, NOT_CURVES), ("1.2", lc.diagnoses, DIAGNOSES, NOT_DIAGNOSES),
       ("1.3", lc.interval, INTERVALS, NOT_INTERVALS), ("1.4", lc.seeds, SEEDS, NOT_SEEDS),
       ("1.5", lc.law, LAWS, NOT_LAWS), ("1.6", lc.decision, DECISIONS, NOT_DECISIONS),
       ("1.7", lc.referee, FLAWS, NOT_FLAWS), ("1.8", lc.repaired, TRAINERS, NOT_TRAINERS)]
UNANSWERED = {"1.2": [..., {}, {"A": ...}], "1.7": [..., set()]}   # those that ask for no function
