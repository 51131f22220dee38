"""Which windows depend on each other: those that share an element, and those that share with one that does."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from contactlens.dna.data.batch import ELEMENT_BOUNDS
from contactlens.dna.data.window_set import WindowSet

Array = np.ndarray


def window_clusters(windows: WindowSet) -> Array:
    """The cluster of each window, (N,) int from 0 without gaps.

    Two windows are in one cluster if their enhancers overlap, their promoters overlap (pair) or they overlap
    themselves (region), or if a chain of such windows connects them. Where nothing is shared, each window is its own.
    """
    rows = windows.windows
    start, end = rows["win_start"].to_numpy(), rows["win_end"].to_numpy()
    if windows.task == "region":
        return overlap_groups(rows["chrom"], start, end)
    elements = [rows[list(bounds)].to_numpy() + start[:, None] for bounds in ELEMENT_BOUNDS.values()]
    return connected(*(overlap_groups(rows["chrom"], *bounds.T) for bounds in elements))


def overlap_groups(chrom: pd.Series, start: Array, end: Array) -> Array:
    """The group of each interval [start, end), (N,) int from 0: those that overlap or that a chain joins share it."""
    code = pd.factorize(chrom)[0]
    order = np.lexsort([start, code])
    reach = pd.Series(end[order]).groupby(code[order]).cummax().to_numpy()  # furthest end so far on the chromosome
    first = np.r_[True, (code[order][1:] != code[order][:-1]) | (start[order][1:] >= reach[:-1])]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(first) - 1
    return group


def connected(first: Array, second: Array) -> Array:
    """Component (N,) int from 0 of items that are connected where they share a group of the first or second kind."""
    size = int(first.max()) + 1
    nodes = size + int(second.max()) + 1
    graph = coo_array((np.ones(first.size), (first, size + second)), shape=(nodes, nodes))
    return np.unique(connected_components(graph, directed=False)[1][first], return_inverse=True)[1]
