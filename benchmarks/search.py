"""How fast is a search? `make bench-search` writes ratios into course_utils/tools/measured.json.

The same twelve small networks are trained by `model.fit` one after the other, on two processes and
on the two nodes of a local Ray cluster, and by `fit_many` in one call. Starting the processes and
compiling count, starting the cluster does not. What a search adds to a trial is measured with an
objective that does nothing; how far that lets more nodes help is predicted from it. The median of
three rounds counts; `make bench-search ARGS=1` makes one.
"""

import statistics
import sys

from benchmarks import engine
from course_utils import datasets, fit_many, models, search
from course_utils.tools import measured
from course_utils.training import programs
from tests.helpers.ray_cluster import two_nodes

TRIALS = 12
EMPTY_TRIALS = 200
EPOCHS = 20
REPEATS = 3
SPACE = {"learning_rate": search.log_uniform(1e-2, 1)}
MLPS = f"a search of {TRIALS} MLPs 3×64, {EPOCHS} epochs"
HERE, PROCESSES, RAY, FIT_MANY = "one after the other", "2 processes", "2 Ray nodes", "fit_many"


def by_keras(digits):
    """An objective that trains one network."""

    def objective(params):
        import keras

        keras.utils.set_random_seed(0)
        model = models.mlp(input_shape=digits.x_train.shape[1:])
        model.compile(
            keras.optimizers.SGD(params["learning_rate"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        history = model.fit(
            digits.x_train,
            digits.y_train,
            batch_size=engine.BATCH,
            epochs=EPOCHS,
            verbose=0,
            validation_data=(digits.x_val, digits.y_val),
        )
        return history.history["val_accuracy"][-1]

    return objective


def by_fit_many(digits):
    """An objective that trains them all at once."""

    def objective(configurations):
        grid = {"learning_rate": [params["learning_rate"] for params in configurations]}
        programs.forget_programs()  # each round compiles
        runs = fit_many(models.mlp, digits, grid, epochs=EPOCHS, batch_size=engine.BATCH)
        return runs.val_accuracy.isel(epoch=-1).values

    return objective


def nothing(params):
    return params["learning_rate"]


def timed(objective, n_trials, **where):
    """Seconds of one search, and what it found."""
    found = []
    took = engine.seconds(lambda: found.append(search.run(objective, SPACE, n_trials=n_trials, **where)))
    assert (found[0].trials.state == "COMPLETE").all(), found[0]
    return took, found[0]


def predicted(nodes, trial, overhead):
    """How many times faster so many nodes search than one, if the driver serves one trial at a time.

    A node trains for `trial` seconds, then waits for `overhead` seconds of the driver; the driver
    can serve one node after another without a pause at best. Source: the asymptotic bound on a
    closed queueing network, Denning & Buzen (1978), The operational analysis of queueing network
    models, ACM Computing Surveys 10.
    """
    return min(nodes, (trial + overhead) / overhead)


def main(repeats=REPEATS):
    digits = datasets.digits()
    train, train_all = by_keras(digits), by_fit_many(digits)
    timed(train, 1)  # imports and thread pools are behind both sides
    took, trials, empty = {}, [], {}
    with two_nodes() as cluster:
        import ray

        ray.init(cluster.address, log_to_driver=False)  # once, and not in every search
        arms = {
            HERE: (train, {}),
            PROCESSES: (train, {"workers": 2}),
            RAY: (train, {"ray": cluster.address}),
            FIT_MANY: (train_all, {"batch": TRIALS}),
        }
        for _ in range(repeats):
            for arm, (objective, where) in arms.items():
                seconds, found = timed(objective, TRIALS, **where)
                took.setdefault(arm, []).append(seconds)
                print(f"{arm}: {60 * TRIALS / seconds:.0f} trials per minute", flush=True)
                if arm == HERE:
                    trials.append(found.trials.seconds.median())
            for arm in (HERE, RAY):
                where = arms[arm][1]
                timed(nothing, 10, **where)  # every worker is there
                extra = timed(nothing, EMPTY_TRIALS, **where)[0] / EMPTY_TRIALS
                empty.setdefault(arm, []).append(extra)
                print(f"{arm}: a search adds {1000 * extra:.1f} ms to a trial of {trials[-1]:.1f} s", flush=True)
    rows = {
        f"search_{name}": engine.row(
            f"{MLPS}, {what}",
            "as fast as",
            f"model.fit {HERE}",
            [here / there for here, there in zip(took[HERE], took[arm], strict=True)],
        )
        for name, arm, what in [
            ("processes", PROCESSES, PROCESSES),
            ("ray", RAY, RAY),
            ("fit_many", FIT_MANY, "by fit_many in one call, compiling included"),
        ]
    }
    for name, arm in [("here", HERE), ("ray", RAY)]:
        rows[f"search_overhead_{name}"] = engine.row(
            f"what a search adds to a trial, {arm}",
            "as long as",
            "the trial of model.fit itself",
            [extra / trial for extra, trial in zip(empty[arm], trials, strict=True)],
        )
    for nodes in (10, 100):
        rows[f"search_{nodes}_nodes"] = engine.row(
            f"such a search on {nodes} Ray nodes, predicted from what it adds to a trial",
            "as fast as",
            "on one, at most",
            [predicted(nodes, trial, extra) for trial, extra in zip(trials, empty[RAY], strict=True)],
        )
    trial, extra = statistics.median(trials), statistics.median(empty[RAY])
    for length in (trial, 60):
        most = predicted(float("inf"), length, extra)
        print(f"For trials of {length:.1f} s, one driver keeps up with {most:.0f} nodes.")
    measured.keep(measured.RESULTS, rows)
    print(measured.table())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
