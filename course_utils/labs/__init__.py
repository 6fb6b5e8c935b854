"""The labs: experiments with controls, retrained when a control moves.

``labs.batch_norm()`` opens one; ``labs.batch_norm(learning_rate=0.3)`` opens it in that state.
A lab is a file that names its controls, its computation and its drawing; all else is in `base`.
"""

from course_utils.labs.batch_norm import BatchNormLab as batch_norm

__all__ = ["batch_norm"]
