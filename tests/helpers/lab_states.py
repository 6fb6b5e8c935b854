"""A lab without a browser: its pure functions, and the states to try them in."""

import itertools
import re

import numpy as np

from course_utils import labs

PNG = b"\x89PNG"   # how every picture begins


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


def opens(line):
    """The complete state in which a line such as ``labs.dropout(rate=0.3)`` opens its lab."""
    name, arguments = re.fullmatch(r"labs\.(\w+)(\(.*\))", line).groups()
    return getattr(labs, name).checked(eval(f"dict{arguments}"))
