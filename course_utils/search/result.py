"""What a search returns."""

import pandas as pd

from course_utils.search import space as spaces


class Result:
    """The trials of a search, and the best of them.

    Attributes
    ----------
    trials : pandas.DataFrame
        One row per trial: its hyperparameters, ``value``, ``state`` (COMPLETE, PRUNED, FAIL), ``node`` where it ran,
        ``attempt`` (above 1 after a lost worker), ``seconds``, ``error``. The value of a pruned trial is the last one
        it reported.
    best_params : dict
    best_value : float
        The best of the complete trials.
    study : optuna.Study
        For Optuna's own functions, such as those of `optuna.visualization.matplotlib`.
    """

    def __init__(self, study, space):
        self.study = study
        rows = [{**{name: trial.params.get(name) for name in space}, "value": trial.value, "state": trial.state.name,
                 **{name: trial.user_attrs.get(name) for name in ("node", "attempt", "seconds", "error")}}
                for trial in study.get_trials(deepcopy=False)]
        self.trials = pd.DataFrame(rows, columns=[*space, *spaces.COLUMNS]).rename_axis("number")
        self.trials["value"] = self.trials["value"].astype(float)

    @property
    def best_params(self):
        return self._best.params

    @property
    def best_value(self):
        return self._best.value

    @property
    def _best(self):
        if "COMPLETE" not in set(self.trials.state):
            raise ValueError(f"No trial is complete, so none is best: {self!r}.")
        return self.study.best_trial

    def __repr__(self):
        counts = {word: int((self.trials.state == state).sum())
                  for state, word in [("COMPLETE", "complete"), ("PRUNED", "pruned"), ("FAIL", "failed")]}
        text = f"{len(self.trials)} trials: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        if counts["complete"]:
            text += f"; best value {self.best_value:.4g} with " + ", ".join(
                f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in self.best_params.items())
        failed = self.trials.error.dropna()
        return text + (f"; first failure: {failed.iloc[0]}" if len(failed) else "")
