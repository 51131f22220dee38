"""The patterns of two models side by side: which of them has a counterpart in the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.tomtom import Target, all_matches, shuffled_cores

COLUMNS = ["model", "pattern", "n_seqlets", "consensus", "counterpart", "q", "smallest q, shuffled", "shared"]
SIGNS = ("pos_", "neg_")


@dataclass(frozen=True, eq=False)
class _Counterpart:
    """A pattern of the other model, as a motif of the database."""

    matrix_id: str
    name: str
    probabilities: np.ndarray


def compare_patterns(
    discoveries: Mapping[str, Discovery], database: Sequence[Target], config: MotifConfig, seed: int
) -> pd.DataFrame:
    """A row for each pattern of either model: the pattern of the other, of the same sign, that it matches best, or "".

    discoveries: by the names of the two models
    database: the other's patterns stand among its motifs, so that q is what it is against the database alone

    Columns: COLUMNS. `q` is Tomtom's after Benjamini and Hochberg; `shared`: it is at most `config.max_q` and below
    that of every shuffled copy of the pattern against the same counterparts.
    """
    (first, one), (second, other) = discoveries.items()
    rows = [*_rows(first, one, other, database, config, seed), *_rows(second, other, one, database, config, seed)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    model: str, own: Discovery, other: Discovery, database: Sequence[Target], config: MotifConfig, seed: int
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for sign in SIGNS:
        patterns, against = ([p for p in one.patterns if p.name.startswith(sign)] for one in (own, other))
        best = _best({p.name: p.core for p in patterns}, against, database)
        chance = _best(shuffled_cores(patterns, config.random_motifs, seed), against, database)
        by_chance = chance["q"].groupby([str(copy).partition("~")[0] for copy in chance.index]).min().to_dict()
        for p in patterns:
            counterpart, q = tuple(best.loc[p.name]) if len(against) else ("", np.nan)
            least = by_chance.get(p.name, np.nan)
            shared = q <= config.max_q and not q >= least
            rows.append((model, p.name, p.n_seqlets, p.consensus, counterpart if shared else "", q, least, shared))
    return rows


def _best(queries: Mapping[str, np.ndarray], against: Sequence[Pattern], database: Sequence[Target]) -> pd.DataFrame:
    """`counterpart` and `q` of each query's best match among `against`; no row where there are none."""
    if not queries or not against:
        return pd.DataFrame({"counterpart": [], "q": []}, index=pd.Index([], dtype=str))
    targets = [*database, *(_Counterpart(f"counterpart {p.name}", p.name, p.core) for p in against)]
    matches = all_matches(queries, targets)
    matches = matches[matches["matrix_id"].str.startswith("counterpart ")]
    first = matches.drop_duplicates("pattern").set_index("pattern")
    return first.rename(columns={"name": "counterpart"})[["counterpart", "q"]]


def comparison_sentence(table: pd.DataFrame) -> str:
    """How many patterns of each model the other has too."""
    parts = [
        f"{int(of_model['shared'].sum())} of {len(of_model)} patterns of the {model}"
        for model, of_model in table.groupby("model", sort=False)
    ]
    return f"{' and '.join(parts)} have a counterpart in the other model."
