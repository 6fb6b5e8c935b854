"""`fit_many`: train every combination of a grid of Keras models at once.

program          the idea: one step of one model, mapped over a block of runs and compiled

knobs            what can vary from run to run, and which values it takes
grid             what the learner asked for, checked and taken apart into runs
checks           what cannot be trained, refused
batches          what a seed decides about the data: subset, order, wrong labels
initial_weights  what a seed decides about the model
noise            what a seed decides about random layers
augmentation     images changed anew at every step
layers           layers that can be mapped over runs, in place of those that cannot
verify           whether a program does what Keras does
convolutions     those among them that work on images
optimizers       Keras's optimizers as functions
scores           the loss and the metrics
callbacks        what stops a run or changes its learning rate
penalties        what holds kernels back
diagnostics      what goes on inside a network
structures       what some runs share, checked and planned
programs         compiled programs, kept, compared with Keras, replaced by slower ones where they are wrong
blocks           ten runs of a structure at a time, each block a generator of scores
fit              the loop over chunks of steps, and the results
stopping         what a run would have come to, had it been stopped early
fine_tune        networks that are trained already, trained further
"""
