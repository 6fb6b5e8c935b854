"""What the nearest training samples reveal about copies across the split, wrong labels, and attainable scores."""

import numpy as np

NEIGHBORS = 10


def of_neighbors(job, train, seen, held_out, predictions, *, tokens):
    """Measure: dict name → number. Token IDs have no meaningful distances, so for them only exact copies are found."""
    everything, known, asked = (data.x.reshape(len(data), -1).astype(float) for data in (train, seen, held_out))
    exact = {row.tobytes() for row in everything}
    copied = np.array([row.tobytes() in exact for row in asked])
    found = {}
    if not tokens:
        known, asked, everything = _comparable(known, asked, everything)
        distances, around = _nearest(known, known, itself=True)
        across, _ = _nearest(asked, everything)
        # The tenth neighbor is no copy even if the training data is full of copies, but with few features it is far.
        usual = np.median(distances[:, -1 if known.shape[1] >= 10 else 0])
        copied |= across[:, 0] < 0.3 * usual
        found["neighbor_score"] = _score(job, seen.y, seen.y[around])
        found["neighbor_val_score"] = _score(job, held_out.y, seen.y[_nearest(asked, known)[1]])
        if job.classifying:
            found["contradicted"] = float(np.mean(contradicted(job, seen)))
    found["twins"] = float(np.mean(copied))
    if np.count_nonzero(~copied) >= 10 and np.count_nonzero(copied) >= 5:
        alone = job.accuracy(held_out.y[~copied], predictions[~copied])
        found["twin_gain"] = float(job.accuracy(held_out.y, predictions) - alone)
    return found


def contradicted(job, data):
    """Which samples have a label that at most 10% of their nearest neighbors share, while 40% agree on another one."""
    (known,) = _comparable(data.x.reshape(len(data), -1).astype(float))
    votes = _votes(job, data.y[_nearest(known, known, itself=True)[1]])
    return (votes[np.arange(len(data)), job.labels(data.y)] <= 0.1) & (votes.max(-1) >= 0.4)


def _votes(job, targets):
    """Share of each class (n, classes) among the targets of the neighbors (n, neighbors, …)."""
    return np.stack([np.bincount(job.labels(row), minlength=job.classes) for row in targets]) / targets.shape[1]


def _score(job, targets, around):
    """The score of predicting the most frequent class, or the mean, of the neighbors' targets."""
    if not job.classifying:
        return job.score(targets, around.mean(1))
    labels, guesses = job.labels(targets), _votes(job, around).argmax(-1)
    return float(np.mean([np.mean(guesses[labels == label] == label) for label in np.unique(labels)]))


def _comparable(first, *others):
    """Features divided by their standard deviation, in images by at least a tenth of the largest one."""
    spread = first.std(0)
    least = 0.1 * spread.max() if first.shape[1] > 50 else 0
    spread = np.where(spread > 1e-9, np.maximum(spread, least), 1)
    return [(values - first.mean(0)) / spread for values in (first, *others)]


def _nearest(asked, known, itself=False):
    """Distances to and places of the nearest samples (n, neighbors); with `itself`, a sample isn't its own neighbor."""
    squares = np.sum(known**2, -1)
    wanted = min(NEIGHBORS, len(known) - itself)
    distances, places = [], []
    for start in range(0, len(asked), 500):
        part = asked[start : start + 500]
        d = np.maximum(np.sum(part**2, -1)[:, None] + squares - 2 * part @ known.T, 0)
        if itself:
            d[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        nearest = np.argpartition(d, wanted - 1, axis=-1)[:, :wanted]
        near = np.take_along_axis(d, nearest, -1)
        order = near.argsort(-1)
        places.append(np.take_along_axis(nearest, order, -1))
        distances.append(np.sqrt(np.take_along_axis(near, order, -1)))
    return np.concatenate(distances), np.concatenate(places)
