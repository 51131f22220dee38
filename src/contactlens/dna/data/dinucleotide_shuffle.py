"""Random sequences with the dinucleotides of a given one."""

import re
from itertools import pairwise

import numpy as np

KNOWN_RUN = re.compile("[ACGT]{4,}")


def dinucleotide_shuffle(sequence: str, rng: np.random.Generator) -> str:
    """Shuffle an upper-case sequence so that the count of every dinucleotide stays as it is.

    Each run of A, C, G, T is shuffled by itself between its first and last base, which stay; all other letters (N)
    stay in place. Within a run every sequence of the same dinucleotides and ends is equally likely: a uniform Eulerian
    path (Altschul & Erickson 1985, Mol. Biol. Evol. 2:526), its last edges a random tree (Wilson 1996, STOC, p. 296).
    """
    return KNOWN_RUN.sub(lambda run: _shuffled_run(run.group(), rng), sequence)


def _shuffled_run(run: str, rng: np.random.Generator) -> str:
    followers: dict[str, list[str]] = {base: [] for base in run}
    for base, following in pairwise(run):
        followers[base].append(following)
    last_exit = _random_tree(followers, run[-1], rng)
    for base, edges in followers.items():
        tail = [last_exit[base]] if base in last_exit else []
        if tail:
            edges.remove(tail[0])
        # Walking pops from the end, so the last edge to take goes first.
        followers[base] = tail + [edges[i] for i in rng.permutation(len(edges))]
    path = [run[0]]
    while followers[path[-1]]:
        path.append(followers[path[-1]].pop())
    return "".join(path)


def _random_tree(followers: dict[str, list[str]], root: str, rng: np.random.Generator) -> dict[str, str]:
    """For each base but the root its exit in a random spanning tree into the root, edges weighted by their count.

    A walk that jumps along random edges and whose loops are erased draws the tree; an edge from a base to itself is
    a loop at once, so it can be left out of the walk.
    """
    exits = {base: [following for following in edges if following != base] for base, edges in followers.items()}
    chosen: dict[str, str] = {}
    settled = {root}
    for start in followers:
        base = start
        while base not in settled:
            chosen[base] = exits[base][rng.integers(len(exits[base]))]
            base = chosen[base]
        base = start
        while base not in settled:
            settled.add(base)
            base = chosen[base]
    return chosen
