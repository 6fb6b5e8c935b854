"""`fit_many`: train every combination of a grid of Keras models at once.

program       the idea: one step of one model, mapped over a block of runs and compiled

grid          what the learner asked for, checked and taken apart into runs
checks        what cannot be trained, refused
draws         what a seed decides about the data: subset, order, wrong labels
starts        what a seed decides about the model: its initial weights
noise         what a seed decides about random layers
augmentation  how strongly images are changed, anew at every step
transformations  what that does to them
layers        layers that can be mapped over runs, in place of those that cannot
convolutions  those among them that work on images
optimizers    what an optimizer does to stacked weights
penalties     what holds kernels back
diagnostics   what goes on inside a network
blocks        ten runs of a structure at a time, each block a generator of scores
fit           the loop over chunks of steps, and the results
stopping      what a run would have come to, had it been stopped early
"""

from course_utils.engine.augmentation import augmented
from course_utils.engine.fit import fit_many
from course_utils.engine.stopping import early_stopping

__all__ = ["augmented", "early_stopping", "fit_many"]
