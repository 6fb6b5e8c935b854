"""What trials, labs, and exercises share: tuning, tasks, and networks that `fit_many` does not train."""
