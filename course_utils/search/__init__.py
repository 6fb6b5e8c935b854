"""Search for good hyperparameters: the same call here, on several processes, on a Ray cluster.

`run` asks Optuna for configurations, lets an executor evaluate them and tells Optuna the scores.

    >>> from course_utils import search
    >>> def objective(params):
    ...     return -(params["x"] - 2) ** 2
    >>> result = search.run(objective, {"x": search.uniform(0, 5)}, n_trials=30)
    >>> result.best_params, result.trials
"""

from course_utils import moved
from course_utils.search.driver import run
from course_utils.search.executors import local_ray, problem_with_ray
from course_utils.search.result import Result
from course_utils.search.space import choice, integer, log_uniform, uniform

__getattr__ = moved.old_names(__name__)

__all__ = ["Result", "choice", "integer", "local_ray", "log_uniform", "problem_with_ray", "run", "uniform"]
