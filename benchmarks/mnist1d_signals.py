"""`make mnist1d`: the file of `datasets.mnist1d`, from the package mnist1d with its defaults."""

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset

from course_utils.datasets import packaged


def main():
    data = make_dataset(get_dataset_args())
    x, y = (np.concatenate([data[name], data[f"{name}_test"]]) for name in "xy")
    np.savez_compressed(packaged.FILES / "mnist1d.npz", x=x.astype("float16"), y=y.astype("uint8"))


if __name__ == "__main__":
    main()
