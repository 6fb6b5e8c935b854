"""Real data with one row per case: cars and tumors; and MNIST-1D, signals that were made for benchmarks."""

import numpy as np

from course_utils.datasets.packaged import FILES, mlxtend_table, read
from course_utils.datasets.split import Split, standardized, stratified

CARS = ("cylinders", "displacement", "horsepower", "weight", "acceleration", "model year",
        "from America", "from Europe", "from Japan")


def autompg(seed=0, *, scaled=True):
    """How far does a car go on a gallon? 392 cars of 1970 to 1982 with nine features; regression.

    `CARS` names the features; the last three are 1 for the car's origin and 0 otherwise. The targets
    are miles per gallon, from 9 to 46.6. The same 79 cars are the test set, whatever the seed.

    Parameters
    ----------
    seed : int
        Divides the other cars into 234 for training and 79 for validation.
    scaled : bool
        Give every feature mean 0 and standard deviation 1 on the training cars. Otherwise features
        have their own units (cubic inches, horsepower, pounds, seconds, years since 1900).

    Raises
    ------
    ModuleNotFoundError
        mlxtend, which has the file, is not installed.
    FileNotFoundError, ValueError
        The file is missing or damaged.

    Source: Quinlan (1993), Combining instance-based and model-based learning; UCI repository,
    CC BY 4.0; the six cars without a horsepower are left out. The file is from `mlxtend.data`.
    """
    def valid(table):
        return np.isfinite(table).all() and set(table[:, 6]) == {1, 2, 3}

    table = mlxtend_table("autompg.csv.gz", (392, 8), valid, usecols=(0, 1, 2, 3, 4, 5, 6, 8))   # 7 is the name
    origin, miles = table[:, 6:7], table[:, 7]
    x = np.hstack([table[:, :6], origin == [1, 2, 3]])
    split = stratified("autompg", x.astype("float32"), miles.astype("float32"), seed, fixed_test=True)
    return standardized(split) if scaled else split


def cancer(seed=0, *, scaled=True):
    """Is a tumor of the breast malignant (0) or benign (1)? 569 tumors with 30 features; two classes.

    The features are the mean, the standard error, and the largest value of ten measurements of cell
    nuclei; 37% of the tumors are malignant. The same 114 tumors are the test set, whatever the seed.

    Parameters
    ----------
    seed : int
        Divides the other tumors into 341 for training and 114 for validation.
    scaled : bool
        As in `autompg`; unscaled, the largest feature is more than 100 000 times as large as the smallest.

    Source: `sklearn.datasets.load_breast_cancer` (Street, Wolberg & Mangasarian 1993; UCI repository,
    CC BY 4.0).
    """
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    split = stratified("cancer", x.astype("float32"), y.astype("int32"), seed, fixed_test=True)
    return standardized(split) if scaled else split


def mnist1d(seed=0):
    """Digits as curves: 5000 signals of 40 numbers, with mean 0 and standard deviation 1 overall; ten classes.

    Each signal is one of ten curves, one per digit, that was stretched, moved, sheared, and made noisy.
    A linear model gets about 30% of them right. The signals were standardized together, test set
    included. The 1000 official test signals are the test set, whatever the seed.

    Parameters
    ----------
    seed : int
        Divides the 4000 others into 3000 for training and 1000 for validation.

    Raises
    ------
    FileNotFoundError, ValueError
        The file in this package is missing or damaged.

    Source: Greydanus (2020), Scaling down deep learning, arXiv:2011.14439; made by their package
    mnist1d, Apache License 2.0, with its defaults, and stored with half precision.
    """
    from sklearn.model_selection import train_test_split

    def reader(path):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            x, y = arrays["x"].astype("float32"), arrays["y"].astype("int32")
        if x.shape != (5000, 40) or y.shape != (5000,) or not np.isfinite(x).all() or set(y) != set(range(10)):
            raise ValueError("other signals")
        return x, y

    x, y = read(FILES / "mnist1d.npz", reader, "install the course again")
    x_train, x_val, y_train, y_val = train_test_split(x[:4000], y[:4000], test_size=1000, stratify=y[:4000],
                                                      random_state=seed)
    return Split("mnist1d", x_train, y_train, x_val, y_val, (x[4000:], y[4000:]))
