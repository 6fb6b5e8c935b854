"""Claims that are being retired, and why. Each keeps working until the lecture that shows it is rewritten."""

RETIRING = {
    "bnl-gaussian": "few people claim it, and a figure shows that it is wrong",
    "bnl-one-pair": "follows from the definition",
    "bn-wider-range": "says the same as “Batch norm allows much higher learning rates.”",
    "bn-deep-sigmoid": "hardly anybody trains deep networks of sigmoid units any more",
    "bn-few-images": "part of “Batch norm prevents overfitting.”",
    "bn-famous-picture": "a story about how not to compare; it stays in the lecture as a story",
    "bnp-costs-nothing": "about time, which depends on the machine; the benchmarks measure it",
    "do-slows": "follows from the noise; the size of the effect depends on the goal",
    "wr-always": "too general: it doesn't say which network, which data, or how large a penalty",
    "wr-batch-norm": "the answer depends on the learning-rate schedule, which the claim doesn't mention",
    "da-substitute": "depends on how much data there is, which lecture 11 shows as a curve",
    "da-free": "a weak claim, and its cost depends on the goal",
    "hs-bayes": "with 36 trials, it would take hundreds of searches to tell",
    "hs-at-once": "few people search one knob at a time any more",
    "sc-early": "the reason for pruning, which has a claim of its own",
    "bnw-exploding": "will be covered by “Batch norm cures vanishing gradients.”",
}
