"""Everything the doctor measures about a network: one dict of named numbers, for `diagnoses` to judge.

A value that makes no sense for a network (the class balance in a regression) is NaN and meets no condition.
"""

import keras
import numpy as np

from . import copies, neighbors, rules, task
from .inputs import Samples

PROBED_STEPS = 200
STANDARDIZED_STEPS = 600
LOOKED_AT = 1500  # samples on which the doctor looks inside the network


def measure(model, job, train, validation, curves, *, batch_size=32, seed=0):
    """Measure a trained network: dict name → number. The model stays as it is."""
    rng = np.random.default_rng(seed)
    seen = train.take(np.sort(rng.permutation(len(train))[:LOOKED_AT]))
    held_out = validation.take(np.sort(rng.permutation(len(validation))[:LOOKED_AT]))
    seen_outputs, held_out_outputs = copies.outputs(model, seen.x), copies.outputs(model, held_out.x)
    found = {
        "validation_samples": len(validation),
        "classes": job.classes,
        "mismatch": task.mismatch(model, job, seen, seen_outputs),
        "data_finite": float(np.isfinite(train.x).all() and np.isfinite(train.y).all()),
        "finite": float(np.isfinite(seen_outputs).all()),
        "optimizer": type(model.optimizer).__name__,
        "chance": 1 / job.classes if job.classifying else 0.0,
    }
    found |= of_rates(model, curves) | of_curves(curves)
    found |= of_scores(job, seen, seen_outputs, "train_") | of_scores(job, held_out, held_out_outputs, "val_")
    found |= of_balance(job, train, held_out, held_out_outputs)
    found |= of_order(job, train) | of_codes(train)
    copy = copies.copy_of(model)
    found |= of_units(copy, seen)
    fresh = copies.fresh(copy)
    found |= {f"{name}_at_start": share for name, share in of_units(fresh, seen).items()}
    found |= of_inputs(copy, seen) | of_width(job, copy)
    if found["data_finite"] and rules.unusual_inputs(rules.Numbers(found)) >= 1:
        found |= of_standardization(model, job, train, held_out, batch_size, rng)
    if found["data_finite"]:
        found |= neighbors.of_neighbors(job, train, seen, held_out, held_out_outputs, tokens=_takes_tokens(copy))
    if found["finite"] and found["data_finite"]:
        found |= of_batch_norm(model, job, seen, held_out, found)
        found |= of_gradients(model, copies.copy_of(model), seen, batch_size)
        at_start = of_gradients(model, fresh, seen, batch_size)
        found |= {f"{name}_at_start": value for name, value in at_start.items()}
        found |= of_probes(model, job, train, seen, held_out, batch_size, rng, found)
    return found


def of_rates(model, curves):
    """The learning rates: the last and the highest one, and what to try if it is too high or too low."""
    last = copies.rate_of(model)
    highest = float(max(curves["learning_rate"])) if "learning_rate" in curves else copies.highest_rate(model)
    try:
        default = float(type(model.optimizer)().learning_rate)
    except (TypeError, ValueError):  # an optimizer of one's own, with other arguments
        default = highest
    decayed = highest >= 10 * last
    return {
        "learning_rate": last,
        "highest_rate": highest,
        "lower_rate": min(highest / 10, default),
        "higher_rate": highest if decayed else max(10 * highest, default),
    }


def of_curves(curves):
    """What the curves that `fit` recorded show."""
    loss = curves.get("loss")
    if loss is None:
        return {}
    found = {"epochs": len(loss), "diverged": float(not np.isfinite(loss).all())}
    finite = loss[np.isfinite(loss)]
    if len(finite) < 2:
        return found
    moves = np.diff(finite)
    found["roughness"] = float(np.maximum(moves, 0).sum() / max(np.abs(moves).sum(), 1e-12))
    held_out = curves.get("val_loss", np.array([]))
    held_out = held_out[np.isfinite(held_out)]
    if len(held_out) > 1:
        smooth = _smooth(held_out)
        quarter = smooth[-max(2, len(smooth) // 4) :]
        found["val_loss_rise"] = float((smooth[-1] - smooth.min()) / max(held_out.min(), 1e-12))
        found["val_still_falling"] = float((quarter[0] - quarter[-1]) / max(abs(quarter[0]), 1e-12))
    scores = next((values for name, values in curves.items() if name.startswith("val_") and "acc" in name), [])
    if len(scores) > 1:
        smooth = _smooth(scores)
        found["val_accuracy_drop"] = float(np.nanmax(smooth) - smooth[-1])
    return found


def _smooth(values):
    width = max(1, min(5, len(values) // 5))
    padded = np.concatenate([values[:1].repeat(width // 2), values, values[-1:].repeat(width - 1 - width // 2)])
    return np.convolve(padded, np.ones(width) / width, "valid")


def of_scores(job, data, predictions, prefix):
    """How good the predictions are, in inference mode."""
    with np.errstate(all="ignore"):
        return {
            prefix + "loss": float(np.mean(job.losses(data.y, predictions))),
            prefix + "score": job.score(data.y, predictions),
            prefix + "accuracy": job.accuracy(data.y, predictions),
        }


def of_balance(job, train, held_out, predictions):
    """How often each class occurs, and how well each is recognized."""
    if not job.classifying:
        return {}
    counts = np.bincount(job.labels(train.y), minlength=job.classes)
    other = np.bincount(job.labels(held_out.y), minlength=job.classes)
    recalls = job.recalls(held_out.y, predictions)
    return {
        "smallest_class": float(counts[counts > 0].min() / counts.sum()),
        "largest_class": float(counts.max() / counts.sum()),
        "smallest_recall": float(recalls.min()),
        "classes_not_trained": float(np.count_nonzero(other[counts == 0])),
        "validation_error": float(np.sqrt(np.mean(recalls * (1 - recalls)) / len(held_out))),
    }


def of_order(job, train):
    """How close the samples are to being sorted by class or target: 0 if shuffled, 1 if sorted."""
    values = job.labels(train.y) if job.classifying else train.y.reshape(len(train), -1)[:, 0].astype(float)
    if len(values) < 20:
        return {}
    if job.classifying:
        shares = np.bincount(values) / len(values)
        expected = np.sum(shares**2)
        order = (np.mean(values[1:] == values[:-1]) - expected) / max(1 - expected, 1e-12)
    else:
        order = np.corrcoef(values[1:], values[:-1])[0, 1] if np.std(values) else 0.0
    return {"order": float(order)}


def of_codes(train):
    """A number that may stand for missing values: it recurs, and is farther from all others than they are apart."""
    worst = {"coded": 0.0}
    for column in train.x.T if train.x.ndim == 2 else ():
        values, counts = np.unique(column, return_counts=True)
        for end, rest in ((0, values[1:]), (-1, values[:-1])):
            share = float(counts[end] / len(column))
            if share > worst["coded"] and len(rest) >= 10 and np.abs(rest - values[end]).min() > np.ptp(rest):
                worst = {"coded": share, "code": float(values[end])}
    return worst


def of_units(copy, seen):
    """Shares of hidden units that are always 0, or almost always at an extreme value, in the worst layer."""
    worst = {"dead": 0.0, "saturated": 0.0}
    layers = list(copies.flat_layers(copy))
    ends = layers[-1], [layer for layer in layers if layer.weights][-1]  # with and without its activation

    def see(layer, inputs, result):
        values = keras.ops.convert_to_numpy(result)
        values = values.reshape(-1, values.shape[-1])
        kind = _activation(layer)
        if kind == "relu":
            worst["dead"] = max(worst["dead"], float(np.mean(values.max(0) <= 0)))
        else:
            low, high = (0, 1) if kind == "sigmoid" else (-1, 1)
            extreme = np.minimum(values - low, high - values) < 0.02 * (high - low)
            worst["saturated"] = max(worst["saturated"], float(np.mean(extreme.mean(0) > 0.8)))

    hidden = [layer for layer in layers if layer not in ends and _activation(layer) in ("relu", "sigmoid", "tanh")]
    with copies.watched(hidden, see):
        copies.outputs(copy, seen.x, LOOKED_AT)
    return worst


def _activation(layer):
    if isinstance(layer, keras.layers.ReLU):
        return "relu"
    return getattr(getattr(layer, "activation", None), "__name__", "")


def of_width(job, copy):
    """Units or filters of the narrowest hidden layer, as a multiple of the number of classes."""
    widths = [
        getattr(layer, "units", None) or getattr(layer, "filters", None)
        for layer in [layer for layer in copies.flat_layers(copy) if layer.weights][:-1]
    ]
    widths = [width for width in widths if isinstance(width, int)]
    return {"narrowest": min(widths) / job.classes} if widths and job.classifying else {}


def _takes_tokens(copy):
    return any(isinstance(layer, keras.layers.Embedding) for layer in copies.flat_layers(copy))


def of_inputs(copy, seen):
    """How far the inputs of the first layer with a kernel are from mean 0 and variance 1."""
    first = next((layer for layer in copies.flat_layers(copy) if layer.trainable_weights), None)
    if first is None or isinstance(
        first, keras.layers.Embedding | keras.layers.BatchNormalization | keras.layers.LayerNormalization
    ):
        return {}
    entering = []
    with copies.watched([first], lambda layer, inputs, result: entering.append(keras.ops.convert_to_numpy(inputs))):
        copy(seen.x, training=False)
    values = entering[0].reshape(-1, entering[0].shape[-1]).astype(float)
    spread = values.std(0)
    varied = spread[spread > 1e-9 * max(spread.max(), 1e-12)]
    if not len(varied):
        return {}
    return {
        "input_size": float(np.sqrt(np.mean(values**2))),
        "input_spread": float(np.sqrt(np.mean(spread**2))),
        "input_offset": float(np.sqrt(np.mean(values.mean(0) ** 2)) / np.sqrt(np.mean(spread**2))),
        "input_ratio": float(np.quantile(varied, 0.95) / np.quantile(varied, 0.5)),
    }


def of_standardization(model, job, train, held_out, batch_size, rng):
    """The validation score of a new network after a short training on standardized inputs."""
    train, held_out = standardized(train, held_out)
    copy = copies.compiled(copies.fresh(model), model)
    copies.train(copy, train, steps=STANDARDIZED_STEPS, batch_size=batch_size, rng=rng)
    return {"standardized_val_score": job.score(held_out.y, np.nan_to_num(copies.outputs(copy, held_out.x)))}


def standardized(train, *others):
    """Samples whose features (in images, the channels) have mean 0 and variance 1 in the first of them."""
    x = train.x.astype("float32")
    axes = tuple(range(x.ndim - 1))
    center, spread = x.mean(axes), x.std(axes)
    spread = np.where(spread > 1e-6, spread, 1)
    return [Samples(((data.x - center) / spread).astype("float32"), data.y) for data in (train, *others)]


def of_batch_norm(model, job, seen, held_out, found):
    """What the validation score gains if batch norm's running averages are replaced by those of the training data."""
    copy = copies.copy_of(model)
    norms = [layer for layer in copies.flat_layers(copy) if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return {}
    for layer in norms:
        layer.trainable, layer.momentum = True, 0.0
    with copies.watched(norms, lambda *_: None, training=True):
        copy(seen.x, training=False)
    return {"batch_norm_gain": job.score(held_out.y, copies.outputs(copy, held_out.x)) - found["val_score"]}


def of_gradients(model, copy, seen, batch_size):
    """How much smaller the gradients of the first kernel are than those of the last, as powers of 10."""
    copies.compiled(copy, model, optimizer=keras.optimizers.SGD(1.0))
    kernels = [weight for weight in copy.trainable_weights if len(weight.shape) > 1]
    if len(kernels) < 2:
        return {}
    ends = kernels[0], kernels[-1]
    before = [keras.ops.convert_to_numpy(weight) for weight in ends]
    copy.train_on_batch(seen.x[: 4 * batch_size], seen.y[: 4 * batch_size])
    sizes = [
        np.sqrt(np.mean((keras.ops.convert_to_numpy(weight) - old) ** 2))
        for weight, old in zip(ends, before, strict=True)
    ]
    return {"gradient_ratio": float(np.log10(max(sizes[0], 1e-12) / max(sizes[1], 1e-12)))}


def of_probes(model, job, train, seen, held_out, batch_size, rng, found):
    """What a little more training gains at a tenth of the last learning rate, at the same rate, and at a higher one."""
    copy = copies.compiled(copies.copy_of(model), model, learning_rate=found["learning_rate"])
    weights = copy.get_weights()
    copy.optimizer.build(copy.trainable_variables)
    slots = [keras.ops.convert_to_numpy(variable) for variable in copy.optimizer.variables]
    order = rng.integers(1 << 30)
    result = {}
    rate = found["learning_rate"]
    for name, probed in {"lower": rate / 10, "same": rate, "higher": max(10 * rate, found["highest_rate"])}.items():
        copy.set_weights(weights)
        for variable, value in zip(copy.optimizer.variables, slots, strict=True):
            variable.assign(value)
        copy.optimizer.learning_rate = probed
        copies.train(copy, train, steps=PROBED_STEPS, batch_size=batch_size, rng=np.random.default_rng(order))
        for prefix, data in (("train_", seen), ("val_", held_out)):
            after = job.score(data.y, np.nan_to_num(copies.outputs(copy, data.x)))
            result[f"{name}_{prefix}score"] = after - found[prefix + "score"]
    return result
