"""The files that the DNA report is made from, each of which may be missing, and where its figures go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from contactlens.base.files import read_json
from contactlens.base.parquet_file import read_parquet
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions, read_attributions_by
from contactlens.dna.explanation.checks import read_checks, usable_method
from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.discover import BASES, Discovery, Pattern
from contactlens.dna.report.figure_notes import figure_notes
from contactlens.reporting.blocks import FigureBlock
from contactlens.reporting.figure_style import save_figure
from contactlens.reporting.files import read_csv

Splits = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class DnaReportInputs:
    """The outputs of the stages before the report, with the windows that they are about.

    windows: all of them, with the truth where it is known
    reports: the folder of validation.json, pretrain_history.csv, pretrain_loss.csv, pretraining_trials.csv,
        trials.csv, history.csv, roc_per_epoch.csv, metrics.csv, roc.csv, pr.csv, reliability.csv, predictions.parquet,
        attributions.npz, faithfulness.csv, curves.csv, conservation.csv, method_checks.csv and
        motifs/; what is missing leaves its part of the report out
    figures: the folder that PNG and CSV of every figure are written to
    method: attribution method that is drawn; max_q: largest q-value at which a motif counts as matched
    splits: window ids of each split
    promotion_reasons: one sentence a rule, `passed: ...` or `failed: ...`; none where nothing was decided
    """

    windows: WindowSet
    reports: Path
    figures: Path
    method: str
    max_q: float
    splits: Splits | None = None
    promotion_reasons: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        windows: WindowSet,
        reports: Path,
        figures: Path,
        motifs: MotifConfig,
        splits: Splits | None = None,
        promotion_reasons: Sequence[str] = (),
    ) -> "DnaReportInputs":
        """With what the motif analysis counts as a match, and its attribution method, or the one that takes its place
        where it is refused for the model."""
        method, _ = usable_method(motifs.method, read_checks(reports))
        return cls(windows, reports, figures, method, motifs.max_q, splits, promotion_reasons)

    def table(self, name: str) -> pd.DataFrame | None:
        """`name`.csv of the reports folder; None where there is none, or it has no rows."""
        path = self.reports / f"{name}.csv"
        frame = read_csv(path, dtype={"window_id": str, "chrom": str}) if path.is_file() else None
        return None if frame is None or frame.empty else frame

    def json(self, name: str) -> dict[str, Any] | None:
        path = self.reports / f"{name}.json"
        return read_json(path) if path.is_file() else None

    def predictions(self) -> pd.DataFrame | None:
        path = self.reports / "predictions.parquet"
        return read_parquet(path).to_pandas() if path.is_file() else None

    @cached_property
    def contributions(self) -> Attributions | None:
        """Of `method`; InputError where the file has no such method."""
        path = self.reports / "attributions.npz"
        return read_attributions_by(path, self.method) if path.is_file() else None

    def most_probable(self) -> str | None:
        """The explained window of the highest logit."""
        found = self.contributions
        return None if found is None else str(found.window_ids[int(found.logits.argmax())])

    def discovery(self) -> Discovery:
        """The patterns in motifs/, with one row a seqlet; none where there are none."""
        matrices, hits = self.table("motifs/matrices"), self.table("motifs/seqlets")
        if matrices is None or hits is None:
            return Discovery()
        by_name = matrices.groupby("pattern", sort=False)
        return Discovery([_pattern(str(name), rows, hits) for name, rows in by_name])

    def figure(self, name: str, figure: Figure, frame: pd.DataFrame, caption: str) -> FigureBlock:
        """Write a figure with the table behind it and refer to both."""
        path = self.figures / f"{name}.png"
        save_figure(figure, path, frame)
        alt, doubt = figure_notes(name)
        return FigureBlock(path, caption, path.with_suffix(".csv"), alt, doubt)


def _pattern(name: str, rows: pd.DataFrame, hits: pd.DataFrame) -> Pattern:
    rows = rows.reset_index(drop=True)
    core = rows.index[rows["kept"].astype(bool)]
    return Pattern(
        name=name,
        pwm=rows[list(BASES)].to_numpy(),
        contributions=rows[[f"contribution_{base}" for base in BASES]].to_numpy(),
        kept=(int(core[0]), int(core[-1]) + 1),
        seqlets=hits[hits["pattern"] == name].reset_index(drop=True),
    )
