"""The driver of a search: it asks Optuna, submits to an executor, waits, and tells Optuna."""

import collections
import contextlib
import functools
import inspect
import math
import operator
import os
import tempfile
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait

import optuna
from optuna.trial import TrialState

from course_utils.search import executors, strategies, studies, trials
from course_utils.search import space as spaces
from course_utils.search.result import Result


def run(objective, space, *, n_trials, direction="maximize", sampler="tpe", pruner=None, seed=0, batch=None,
        workers=None, ray=None, storage=None, retries=2, progress=True):
    """Search a space for the hyperparameters with the best score.

    A trial that raises an exception or returns no number is recorded as failed, and the search goes on. A trial whose
    worker dies is tried again, as the next attempt of the same trial.

    Parameters
    ----------
    objective : callable
        Gets a dict of hyperparameters and returns the score. If it has an argument named ``report``, it may call
        ``report(value, step)`` with intermediate scores, and a pruner may end the trial there. Other processes and
        nodes get a copy of it, with everything it refers to.
    space : dict name → `log_uniform`, `uniform`, `integer` or `choice`
    n_trials : int
        Trials in total, including those that the storage already holds.
    direction : {"maximize", "minimize"}
    sampler : {"tpe", "random", "qmc", "grid"} or optuna.samplers.BaseSampler
        ``"qmc"`` is a scrambled Sobol sequence. ``"grid"`` is a regular grid of at most `n_trials` points: all values
        of each choice, and about equally many of each range.
    pruner : {"median", "successive_halving", "hyperband"} or optuna.pruners.BasePruner, optional
    seed : int
        With one trial at a time, the same seed gives the same search. With several, grid, random, and qmc still try the
        same configurations; tpe learns from whichever trials ended first.
    batch : int, optional
        This many trials in one call: the objective gets a list of dicts and returns a list of scores, for instance from
        one call of `fit_many`.
    workers : int, optional
        Evaluate in this many processes of this machine; on Ray, at most this many trials at once. In a script, call
        `run` under ``if __name__ == "__main__":``.
    ray : str, optional
        Evaluate on a Ray cluster: ``"auto"``, ``"local"``, or an address such as ``"10.0.0.1:6379"``. The course has to
        be installed on all of its nodes.
    storage : str or path, optional
        A file, or a database URL such as ``"sqlite:///search.db"``. The same call with the same storage goes on where
        an earlier one stopped. Only one search at a time may use a storage.
    retries : int
        How often a trial is tried again after its worker was lost.
    progress : bool

    Returns
    -------
    Result

    Raises
    ------
    TypeError, ValueError
        One sentence about an argument or the storage.
    ImportError, ConnectionError
        Ray is not installed, or does not answer.
    concurrent.futures.BrokenExecutor
        One worker after another was lost before any trial ended.

    Source: Akiba, Sano, Yanase, Ohta & Koyama (2019), Optuna: A Next-generation Hyperparameter Optimization Framework,
    KDD; its ask-and-tell interface.
    """
    spaces.check(space)
    for name, value, least in [("n_trials", n_trials, 1), ("batch", batch, 1), ("workers", workers, 1),
                               ("retries", retries, 0), ("seed", seed, 0)]:
        _check_count(name, value, least)
    if direction not in ("maximize", "minimize"):
        raise ValueError(f'direction is {direction!r}; expected "maximize" or "minimize".')
    if ray is not None and not isinstance(ray, str):
        raise TypeError(f'ray is {ray!r}; expected "auto", "local" or an address such as "10.0.0.1:6379".')
    reports = _takes_report(objective)
    pruner = _check_pruner(pruner, reports, batch)
    grid = spaces.grid(space, n_trials) if sampler == "grid" else None
    samplers = strategies.sampler(sampler, space, seed, grid)
    remote = workers is not None or ray is not None
    packed = trials.Objective(objective)
    if remote:
        _check_portable(packed)
    with tempfile.TemporaryDirectory() as folder:
        shared = storage
        if reports and remote and storage is None:   # the workers have to see each other's scores
            shared = os.path.join(folder, "study.log")
        study = studies.create(shared, direction, pruner, space, grid)

        def call(executor, members):
            report = None
            if reports:
                [trial] = members
                report = (functools.partial(studies.shared_report, studies.address(shared), pruner, trial.number)
                          if remote else functools.partial(trials.Report, trial))
            return executor.submit(trials.evaluate, packed, [trial.params for trial in members],
                                   where=executor.where, report=report, batch=batch is not None)

        total = n_trials if grid is None else math.prod(map(len, grid.values()))
        driver = _Driver(study, samplers, space, call, total)
        if not driver.done:
            with _executor(workers, ray) as executor, _bar(total, progress) as bar:
                driver.run(executor, workers=workers, batch=batch or 1, retries=retries, bar=bar)
        if shared != storage:
            study = studies.in_memory(study)
    return Result(study, space)


class _Job:
    """One call of the objective: the trials in it, and how often it was lost."""

    def __init__(self, members):
        self.members, self.lost = members, 0


class _Driver:
    """Keeps an executor busy until a study has all of its trials."""

    def __init__(self, study, samplers, space, call, n_trials):
        self.study, self.samplers, self.space, self.call, self.n_trials = study, samplers, space, call, n_trials
        known = study.get_trials(deepcopy=False)
        self.asked = len(known)
        self.waiting = collections.deque(_Job([self._take_up(trial)]) for trial in known
                                         if trial.state == TrialState.RUNNING)   # their driver died
        self.pending = {}   # future → job
        self.answered = self.given_up = 0   # jobs

    @property
    def done(self):
        return not (self.waiting or self.pending or self.asked < self.n_trials)

    def run(self, executor, *, workers, batch, retries, bar):
        bar.update(self.asked - len(self.waiting))
        while not self.done:
            capacity = executor.workers()   # nodes come and go, even while trials run
            capacity = max(1, min(capacity, workers or capacity))
            while len(self.pending) < capacity and (self.waiting or self.asked < self.n_trials):
                job = self.waiting.popleft() if self.waiting else self._ask(batch)
                self.pending[self._submit(executor, job)] = job
            for future in wait(self.pending, timeout=1, return_when=FIRST_COMPLETED).done:
                bar.update(self._collect(self.pending.pop(future), future, retries, capacity))

    def _ask(self, batch):
        """A job of `batch` new trials, or of as many as are left."""
        members = []
        for number in range(self.asked, min(self.asked + batch, self.n_trials)):
            self.study.sampler = self.samplers(number)
            members.append(self.study.ask(self.space))
        self.asked += len(members)
        return _Job(members)

    def _take_up(self, trial):
        """A trial that an earlier driver left running, with any missing part of its configuration."""
        self.study.sampler = self.samplers(trial.number)
        trial = optuna.trial.Trial(self.study, trial._trial_id)
        for name, distribution in self.space.items():
            trial._suggest(name, distribution)   # as Study.ask does
        return trial

    def _submit(self, executor, job):
        for trial in job.members:
            trial.set_user_attr("attempt", trial.user_attrs.get("attempt", 0) + 1)
        return self.call(executor, job.members)

    def _collect(self, job, future, retries, capacity):
        """Tell Optuna the outcome of a job, or put the job back; return the number of trials that ended with it."""
        try:
            outcomes, node, seconds = future.result()
            self.answered += 1
        except BrokenExecutor as error:
            why = str(error).rstrip(".")
            job.lost += 1
            if job.lost <= retries:
                self.waiting.appendleft(job)
                return 0
            self.given_up += 1
            if self.given_up > capacity and not self.answered:
                raise BrokenExecutor("Every worker died before its first trial ended: a script has to call search.run "
                                     'under `if __name__ == "__main__":`, and a trial needs enough memory '
                                     f"({why}).") from error
            lost = trials.Outcome(TrialState.FAIL, error=f"Lost with its worker {job.lost} times ({why}).")
            outcomes, node, seconds = [lost] * len(job.members), None, None
        for trial, outcome in zip(job.members, outcomes, strict=True):
            share = seconds and seconds / len(outcomes)
            for name, value in [("node", node), ("seconds", share), ("error", outcome.error)]:
                if value is not None:
                    trial.set_user_attr(name, value)
            self.study.tell(trial, outcome.value, outcome.state)
        return len(outcomes)


# Arguments


def _check_count(name, value, least):
    if value is None and name in ("batch", "workers"):
        return
    try:
        valid = not isinstance(value, bool) and operator.index(value) >= least
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(f"{name} is {value!r}; expected a whole number, {least} or more.")


def _takes_report(objective):
    if not callable(objective):
        raise TypeError(f"The objective is {objective!r}; expected a function of a dict of hyperparameters.")
    try:
        return "report" in inspect.signature(objective).parameters
    except ValueError:   # some functions written in C say nothing about their arguments
        return False


def _check_pruner(name, reports, batch):
    pruner = strategies.pruner(name)
    if name is not None and not reports:
        raise ValueError("A pruner needs intermediate scores: write objective(params, report), and in it call "
                         "report(value, step).")
    if reports and batch is not None:
        raise ValueError("A batch has no intermediate scores: leave out batch, or the objective's argument report.")
    return pruner


def _check_portable(objective):
    try:
        _ = objective.packed
    except Exception as error:
        raise TypeError(f"The objective cannot be sent to another process ({error}): create what it cannot take along, "
                        "such as an open file, inside it.") from error


@contextlib.contextmanager
def _executor(workers, ray):
    """The executor that the arguments ask for; if something goes wrong, whatever it still runs is ended."""
    if ray is not None:
        executor = executors.Ray(ray)
    else:
        executor = executors.Here() if workers is None else executors.Processes(workers)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def _bar(total, progress):
    """A progress bar that disappears at the end, like that of `fit_many`."""
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="search", unit="trial", delay=1, leave=False,
                disable=not progress or os.environ.get("TQDM_DISABLE") == "1")
