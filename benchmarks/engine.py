"""How fast is fit_many? `make bench` writes ratios into course_utils/tools/measured.json.

`make bench ARGS="sweep cnn"` measures these rows alone and leaves the others as they are. Both
sides of a ratio are timed in turn in one process, so that a busy machine slows both; the median
of the repeats counts, with a 95% interval that assumes nothing about how the times are
distributed. "Warm" means compiled before. A loop of model.fit is not waited for: a few of its
models are timed, and each of them stands for as many as it has siblings. model.fit has its faster
settings: all steps of an epoch in one call, and oneDNN on or off, whichever was faster just before.
"""

import itertools
import os
import platform
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from course_utils import datasets, fit_many, models, surgery
from course_utils.tools import measured
from course_utils.training import programs, structures

REPEATS, FEWER = 15, 7  # fewer where no goal depends on it
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow reads it when it is imported
EPOCHS = 20
BATCH = 32
RATES = np.logspace(-3, 0, 10)
SEEDS = range(5)
MLPS = f"100 MLPs 3×64, half with batch norm, {EPOCHS} epochs"
LOOP = "a loop of model.fit"
ADAM = {"width": 128, "depth": 2, "batch_norm": True, "dropout": 0.3}
CNN = {"build_model": models.cnn, "batch_norm": True}  # 8 and 16 filters
LARGER = {"batch_norm": True, "filters": (16, 32, 64)}


def seconds(function):
    """Seconds one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ratios(slow, fast, repeats=REPEATS):
    """Seconds that `slow()` returns over those that `fast()` returns, called in turn."""
    return [slow() / fast() for _ in range(repeats)]


def row(work, what, against, ratios, **target):
    """One line of the table; the target is e.g. ``at_least=100``."""
    target = {sense.replace("_", " "): goal for sense, goal in target.items()}
    interval = stats.quantile_test(ratios, q=np.median(ratios), p=0.5).confidence_interval()
    print(f"{work}, {what} {against}:", *(f"{value:.3g}" for value in sorted(ratios)), flush=True)
    return {
        "work": work,
        "what": what,
        "against": against,
        "ratio": float(f"{statistics.median(ratios):.2g}"),
        "interval": [float(f"{end:.2g}") for end in interval],
        "repeats": len(ratios),
    } | ({"target": target} if target else {})


# Both sides


def compiled(data, build_model=models.mlp, optimizer="sgd", **arguments):
    """A Keras model, built and compiled as anybody would."""
    model = build_model(input_shape=data.x_train.shape[1:], **arguments)
    model.compile(
        optimizer,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=-(-len(data.x_train) // BATCH),
    )
    return model


def fit(model, data, epochs, validate=True):
    model.fit(
        data.x_train,
        data.y_train,
        batch_size=BATCH,
        epochs=epochs,
        verbose=0,
        validation_data=(data.x_val, data.y_val) if validate else None,
    )


def by_keras(data, batch_norm, epochs, **structure):
    """Seconds of one model.fit, building and compiling included."""
    return seconds(lambda: fit(compiled(data, batch_norm=batch_norm, **structure), data, epochs))


def epoch_by_keras(data, epochs=5, validate=True, **structure):
    """Seconds of one epoch of model.fit, once Keras has compiled its step."""
    model = compiled(data, **structure)
    fit(model, data, 1, validate)
    return seconds(lambda: fit(model, data, epochs, validate)) / epochs


def faster_onednn():
    """The setting of oneDNN with which model.fit is faster here, "0" or "1", and by how much."""
    took = {"0": [], "1": []}
    for setting in ["0", "1"] * 5:
        answer = subprocess.run(
            [sys.executable, "-c", "from benchmarks import engine; engine.print_seconds_of_keras()"],
            env=os.environ | {ONEDNN: setting},
            capture_output=True,
            text=True,
            check=True,
        )
        took[setting].append(float(answer.stdout))
    seconds = {setting: statistics.median(values) for setting, values in took.items()}
    print(f"model.fit took {seconds['1']:.2f} s with oneDNN, {seconds['0']:.2f} s without it", flush=True)
    return min(seconds, key=seconds.get)


def print_seconds_of_keras():
    digits = datasets.digits()
    by_keras(digits, True, 1)
    print(by_keras(digits, False, EPOCHS) + by_keras(digits, True, EPOCHS))


def sweep(digits, epochs=EPOCHS, batch_norm=(False, True)):
    """100 MLPs 3×64: ten learning rates, with and without batch norm, five seeds."""
    return fit_many(
        models.mlp,
        digits,
        {"learning_rate": RATES, "batch_norm": batch_norm, "seed": SEEDS},
        epochs=epochs,
        batch_size=BATCH,
    )


# The rows of the table: each function gives one or more


def sweep_rows(digits):
    sweep(digits, epochs=1)  # imports, thread pools: both sides have them behind them
    by_keras(digits, True, 1)
    cold, warm, loop = [], [], []
    for _ in range(REPEATS):
        programs.forget_programs()
        cold.append(seconds(lambda: sweep(digits)))
        warm.append(seconds(lambda: sweep(digits)))
        loop.append(
            50 * by_keras(digits, False, EPOCHS)
            + 50 * statistics.mean(by_keras(digits, True, EPOCHS) for _ in range(2))
        )
    return {
        "sweep_cold": row(
            f"{MLPS}, compiling included",
            "faster than",
            LOOP,
            [a / b for a, b in zip(loop, cold, strict=True)],
            at_least=50,
        ),
        "sweep_warm": row(
            f"{MLPS}, compiled before",
            "faster than",
            LOOP,
            [a / b for a, b in zip(loop, warm, strict=True)],
            at_least=100,
        ),
    }


def jax_rows(digits):
    """fit_many and JAX do the same work, so this is also the ratio of the shares of the machine's rate they reach.

    jaxlib 0.10 multiplies matrices with YNNPACK, which TensorFlow 2.21 is built without. With
    ``XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type=``, JAX does without it, too, and takes 1.2 to 1.4 times as long.
    """
    from benchmarks import peers

    def jax(block):
        return peers.sweep_in_jax(digits, RATES, SEEDS, epochs=EPOCHS, batch_size=BATCH, block=block)

    def better_way():
        took = {block: seconds(lambda block=block: jax(block)) for block in ways}
        print("JAX:", ", ".join(f"{value:.2f} s in blocks of {block}" for block, value in took.items()), flush=True)
        return min(took.values())

    ours = sweep(digits).val_accuracy.isel(epoch=-1).transpose("batch_norm", "learning_rate", "seed")
    ways = [10, 50]  # ten networks to a vmap, as fit_many has them; all of a structure in one
    for block in ways:
        check_agreement(ours.values, jax(block))  # and compile
    return {
        "sweep_jax": row(
            f"{MLPS}, compiled before",
            "as fast as",
            "JAX's vmap and scan, written by hand",
            ratios(better_way, lambda: seconds(lambda: sweep(digits))),
            at_least=1,
        )
    }


def check_agreement(ours, theirs):
    """The peer did the same work: final validation accuracies (batch norm, rate, seed) agree on average."""
    calm = (RATES > 0.005) & (RATES < 0.5)  # slower, the initial weights decide; faster, some plain networks diverge
    difference = np.abs((ours - theirs)[:, calm].mean((1, 2)))
    assert (difference < 0.02).all(), f"JAX's and fit_many's validation accuracies differ by {difference.round(3)}."


def sklearn_rows(digits):
    from benchmarks import peers

    def loop():
        rates = RATES[4:7]
        return (
            50
            / len(rates)
            * sum(
                seconds(lambda rate=rate: peers.fit_in_sklearn(digits, rate, 0, epochs=EPOCHS, batch_size=BATCH))
                for rate in rates
            )
        )

    sweep(digits, 1, False)
    return {
        "sweep_sklearn": row(
            f"50 MLPs 3×64, {EPOCHS} epochs, validated after each",
            "faster than",
            "a loop of scikit-learn's MLPClassifier, which does not validate",
            ratios(loop, lambda: seconds(lambda: sweep(digits, EPOCHS, False)), FEWER),
        )
    }


def adam_rows(digits):
    grid = {**ADAM, "learning_rate": np.logspace(-4, -2, 5), "seed": range(10)}

    def many(epochs=EPOCHS):
        return seconds(lambda: fit_many(models.mlp, digits, grid, epochs=epochs, batch_size=BATCH, optimizer="adam"))

    many(1)
    return {
        "adam_dropout": row(
            f"50 MLPs 2×128 with batch norm and dropout, Adam, {EPOCHS} epochs, compiled before",
            "faster than",
            LOOP,
            ratios(lambda: 50 * by_keras(digits, epochs=EPOCHS, optimizer="adam", **ADAM), many),
            at_least=40,
        )
    }


def larger_cnn_rows(digits):
    rng = np.random.default_rng(0)
    x, y = rng.random((1024, 16, 16, 3), np.float32), rng.integers(10, size=1024).astype("int32")
    grid = LARGER | {"filters": [LARGER["filters"]]}
    images = datasets.Split("noise", x[:768], y[:768], x[768:], y[768:])

    def many(epochs=5):
        return seconds(
            lambda: fit_many(models.cnn, images, {"seed": range(10)} | grid, epochs=epochs, batch_size=BATCH)
        )

    many(1)
    return {
        "larger_cnn": row(
            "10 CNNs (16, 32 and 64 filters, 16×16×3 images) with batch norm, 5 epochs, both compiled before",
            "faster than",
            LOOP,
            ratios(lambda: 50 * epoch_by_keras(images, 2, build_model=models.cnn, **LARGER), many),
            at_least=4,
        )
    }


def cnn_rows(digits):
    grid = {"batch_norm": True, "learning_rate": [0.03, 0.1], "seed": range(10)}

    def many(epochs=EPOCHS):
        return seconds(lambda: fit_many(models.cnn, digits, grid, epochs=epochs, batch_size=BATCH))

    many(1)
    return {
        "cnn": row(
            f"20 CNNs (8 and 16 filters, 8×8 images) with batch norm, {EPOCHS} epochs, compiled before",
            "faster than",
            LOOP,
            ratios(lambda: 20 * by_keras(digits, epochs=EPOCHS, **CNN), many),
            at_least=15,
        )
    }


def one_rows(digits):
    def one(epochs=EPOCHS):
        return seconds(lambda: fit_many(models.mlp, digits, {"learning_rate": 0.1}, epochs=epochs, batch_size=BATCH))

    one(1)
    return {
        "one_mlp": row(
            f"1 MLP 3×64, {EPOCHS} epochs, both compiled before",
            "faster than",
            "model.fit",
            ratios(lambda: EPOCHS * epoch_by_keras(digits), one),
            at_least=15,
        )
    }


def curve_rows(digits, epochs=10):
    sizes = np.geomspace(BATCH, len(digits.x_train), 7).astype(int)

    def curve(rates):
        grid = {"train_size": sizes, "seed": range(10), "learning_rate": rates}
        return seconds(lambda: fit_many(models.mlp, digits, grid, epochs=epochs, batch_size=BATCH))

    curve(RATES[:1])
    return {
        "learning_curve": row(
            "a learning curve of 700 MLPs (7 sizes, 10 seeds, 10 rates)",
            "as long as",
            "ten of 70 MLPs (one rate)",
            ratios(lambda: curve(RATES), lambda: 10 * curve(RATES[:1]), FEWER),
            at_most=1,
        )
    }


def matmul_rows(digits):
    """Share of the machine's rate of batched matrix products: those of the sweep alone, in the same blocks."""
    sizes, size = [digits.x_train.shape[1], 64, 64, 64, digits.classes], structures.ON_CPU
    forward = [2 * a * b for a, b in itertools.pairwise(sizes)]  # floating-point operations per sample
    backward = 2 * sum(forward) - forward[0]  # nobody asks for the gradient of the images
    steps = EPOCHS * (len(digits.x_train) // BATCH)
    training = 100 * steps * BATCH * (sum(forward) + backward)
    validation = 100 * EPOCHS * len(digits.x_val) * sum(forward)

    @tf.function(jit_compile=True, autograph=False)
    def products(x, *weights):
        """The steps of one block without anything between their matrix products."""

        def step(now, *weights):
            layers = [x]
            for weight in weights:
                layers.append(layers[-1] @ weight)
            back, gradients = layers[-1], []
            for weight, below in zip(reversed(weights), reversed(layers[:-1]), strict=True):
                gradients.append(tf.matmul(below, back, transpose_a=True))
                back = tf.matmul(back, weight, transpose_b=True)
            return now + 1, *reversed(gradients)  # in the place of the weights, so that no product can be saved

        return tf.while_loop(lambda now, *_: now < steps, step, (0, *weights))

    x = tf.random.normal((size, BATCH, sizes[0]))
    weights = [tf.zeros((size, a, b)) for a, b in itertools.pairwise(sizes)]  # zero they stay: no overflow

    def alone():
        with ThreadPoolExecutor(structures.cores()) as threads:
            list(threads.map(lambda _: products(x, *weights)[0].numpy(), range(100 // size)))

    def rates():
        """Floating-point operations per second: of the products alone, of the sweep."""
        pair = training / seconds(alone), (training + validation) / seconds(lambda: sweep(digits))
        print(f"matrix products alone {pair[0] / 1e9:.0f} GFLOP/s, in the sweep {pair[1] / 1e9:.0f} GFLOP/s")
        return pair

    alone()
    sweep(digits, 1)
    pairs = [rates() for _ in range(REPEATS)]
    return {
        "matmul_share": row(
            "matrix products in the sweep of 100 MLPs",
            "the rate of",
            "the same products alone",
            [inside / pure for pure, inside in pairs],
        )
    }


def compile_rows(digits):
    """Seconds that tracing and compiling add to the first call, in epochs of model.fit on the same model."""
    cases = {
        "plain": ("an MLP 3×64", {}),
        "batch_norm": ("an MLP 3×64 with batch norm", {"batch_norm": True}),
        "adam": ("an MLP 2×128 with batch norm and dropout, Adam", {**ADAM, "optimizer": "adam"}),
        "cnn": ("a CNN (8 and 16 filters) with batch norm", CNN),
    }

    def extra(build_model=models.mlp, optimizer="sgd", **arguments):
        def first_epoch():
            return seconds(
                lambda: fit_many(
                    build_model,
                    digits,
                    {**arguments, "seed": range(10)},
                    epochs=1,
                    batch_size=BATCH,
                    optimizer=optimizer,
                )
            )

        programs.forget_programs()
        return first_epoch() - first_epoch()

    extra()
    return {
        f"compile_{name}": row(
            f"compiling {work}, ten at a time",
            "as long as",
            "an epoch of one in model.fit",
            ratios(lambda s=structure: extra(**s), lambda s=structure: epoch_by_keras(digits, **s), FEWER),
        )
        for name, (work, structure) in cases.items()
    }


def step_rows(digits):
    """What batch norm costs: a training step with it over one without, in model.fit and in fit_many."""

    def ten(batch_norm, epochs=EPOCHS):
        return seconds(
            lambda: fit_many(
                models.mlp, digits, {"batch_norm": batch_norm, "seed": range(10)}, epochs=epochs, batch_size=BATCH
            )
        )

    def one(batch_norm):
        return epoch_by_keras(digits, validate=False, batch_norm=batch_norm)

    ten(True, 1), ten(False, 1)
    return {
        "bn_step_keras": row(
            "a training step with batch norm, in model.fit",
            "as long as",
            "one without",
            ratios(lambda: one(True), lambda: one(False), FEWER),
        ),
        "bn_step_fit_many": row(
            "a training step with batch norm, in fit_many",
            "as long as",
            "one without",
            ratios(lambda: ten(True), lambda: ten(False), FEWER),
        ),
    }


def augmentation_rows(digits):
    """What augmentation costs: a training step with it over one without, in the model, in tf.data and in fit_many."""
    rng = np.random.default_rng(0)
    x, y = rng.random((1024, 32, 32, 3), np.float32), rng.integers(10, size=1024)

    def mild():
        return [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(0.1, 0.1),
            keras.layers.RandomRotation(0.04),
        ]

    def epoch(inside=(), piped=()):
        """A function that says how many seconds an epoch of model.fit takes, the fastest of five."""
        network = models.cnn(input_shape=x.shape[1:], filters=(16, 32))
        model = keras.Sequential([keras.Input(x.shape[1:]), *inside, *network.layers])
        model.compile("sgd", "sparse_categorical_crossentropy")
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
        for layer in piped:
            data = data.map(
                lambda images, labels, layer=layer: (layer(images, training=True), labels),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        data = data.prefetch(tf.data.AUTOTUNE)
        model.fit(data, shuffle=False, verbose=0)  # compiles
        return lambda: min(seconds(lambda: model.fit(data, shuffle=False, verbose=0)) for _ in range(5))

    def ten(shift):
        grid = {"seed": range(10)} | ({"shift": 1} if shift else {})
        fit_many(models.mlp, digits, grid, epochs=1, batch_size=BATCH)
        return lambda: min(
            seconds(lambda: fit_many(models.mlp, digits, grid, epochs=EPOCHS, batch_size=BATCH)) for _ in range(5)
        )

    plain = epoch()
    step = "a training step of a CNN (16 and 32 filters, 32 images of 32×32×3)"
    return {
        "augment_layers": row(
            f"{step} with flip, translation and rotation in the model",
            "as long as",
            "one without",
            ratios(epoch(inside=mild()), plain, FEWER),
        ),
        "augment_pipeline": row(
            f"{step} with the same in tf.data, in parallel",
            "as long as",
            "one without",
            ratios(epoch(piped=mild()), plain, FEWER),
        ),
        "augment_randaugment": row(
            f"{step} with RandAugment in the model",
            "as long as",
            "one without",
            ratios(epoch(inside=[keras.layers.RandAugment((0, 1))]), plain, FEWER),
        ),
        "augment_fit_many": row(
            "a training step with shifts of one pixel, in fit_many",
            "as long as",
            "one without",
            ratios(ten(True), ten(False), FEWER),
        ),
    }


def fold_rows(digits):
    """What folding saves: MobileNetV2 before and after, each asked ten times for a ratio; the shortest time counts."""
    network = keras.applications.MobileNetV2(weights=None, alpha=0.35, input_shape=(96, 96, 3), include_top=False)
    images = np.random.default_rng(0).uniform(-1, 1, (32, 96, 96, 3)).astype("float32")

    def fastest(model):
        return min(seconds(lambda: model.predict_on_batch(images)) for _ in range(10))

    folded = surgery.fold(network)
    fastest(network), fastest(folded)  # compiles
    return {
        "fold": row(
            "MobileNetV2 (alpha 0.35, 32 images of 96×96) with its batch norm folded",
            "as fast as",
            "unfolded",
            ratios(lambda: fastest(network), lambda: fastest(folded), repeats=FEWER),
        )
    }


ROWS = {
    "sweep": sweep_rows,
    "jax": jax_rows,
    "sklearn": sklearn_rows,
    "adam": adam_rows,
    "cnn": cnn_rows,
    "larger_cnn": larger_cnn_rows,
    "one": one_rows,
    "curve": curve_rows,
    "matmul": matmul_rows,
    "compile": compile_rows,
    "step": step_rows,
    "fold": fold_rows,
    "augmentation": augmentation_rows,
}


def main(names):
    if unknown := set(names) - set(ROWS):
        sys.exit(f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}.")
    if ONEDNN not in os.environ:
        os.environ[ONEDNN] = faster_onednn()
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.engine", *names])
    digits = datasets.digits()
    for name in names or ROWS:
        took = seconds(lambda name=name: measured.keep(measured.RESULTS, ROWS[name](digits)))
        print(f"{name}: {took:.0f} s", flush=True)
    print(f"{os.cpu_count()} cores, {platform.machine()}; median of {REPEATS}, or {FEWER} where there is no goal")
    print(measured.table())


if __name__ == "__main__":
    main(sys.argv[1:])
