"""The labs: experiments with controls, retrained when a control moves.

``labs.batch_norm()`` opens one; ``labs.batch_norm(learning_rate=0.3)`` opens it in that state.
A lab is a file that names its controls, its computation and its drawing; all else is in `base`.
"""

from course_utils.labs.augmentation import AugmentationLab as augmentation
from course_utils.labs.batch_norm import BatchNormLab as batch_norm
from course_utils.labs.batch_norm_modes import BatchNormModesLab as batch_norm_modes
from course_utils.labs.batch_norm_steps import BatchNormStepsLab as batch_norm_steps
from course_utils.labs.domain_shift import DomainShiftLab as domain_shift
from course_utils.labs.dropout import DropoutLab as dropout
from course_utils.labs.halving import HalvingLab as halving
from course_utils.labs.learning_curve import LearningCurveLab as learning_curve
from course_utils.labs.penalties import PenaltiesLab as penalties
from course_utils.labs.playground import PlaygroundLab as playground
from course_utils.labs.scaling import ScalingLab as scaling
from course_utils.labs.search import SearchLab as search
from course_utils.labs.seeds import SeedsLab as seeds

__all__ = ["augmentation", "batch_norm", "batch_norm_modes", "batch_norm_steps", "domain_shift", "dropout",
           "halving", "learning_curve", "penalties", "playground", "scaling", "search", "seeds"]
