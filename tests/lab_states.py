"""A lab without a browser: its pure functions, and the states to try them in."""

import itertools

import numpy as np


def pairs(lab):
    """States in which every value of a control meets every value of every other."""
    names = list(lab.controls)
    wanted = {frozenset([(a, x), (b, y)]) for a, b in itertools.combinations(names, 2)
              for x in lab.controls[a].examples for y in lab.controls[b].examples}
    rng, states = np.random.default_rng(0), []
    while wanted:
        state = dict(next(iter(wanted)))
        for name in names:
            examples = lab.controls[name].examples
            state.setdefault(name, examples[rng.integers(len(examples))])
        wanted -= {frozenset(pair) for pair in itertools.combinations(state.items(), 2)}
        states.append(state)
    return states


def closed(lab):
    """A lab's pure functions, without widgets and thread."""
    return object.__new__(lab)
