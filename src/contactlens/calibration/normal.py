"""The standard normal density; its cdf and quantiles are `scipy.special.ndtr` and `ndtri`.

`scipy.stats` has all of them, with the same bits, and takes longer to import than most stages to start.
"""

import numpy as np

Array = np.ndarray
ROOT_2_PI = np.sqrt(2 * np.pi)


def normal_density(z: Array) -> Array:
    return np.exp(-(z**2) / 2) / ROOT_2_PI


def normal_log_density(z: Array) -> Array:
    return -(z**2) / 2 - np.log(ROOT_2_PI)
