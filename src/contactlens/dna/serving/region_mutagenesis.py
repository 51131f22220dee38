"""In-silico mutagenesis of a region of the genome: a table, a heatmap and a track for genome browsers."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.genome_tracks import Stretch, write_bigwig
from contactlens.dna.data.importing.intervals import GenomicInterval
from contactlens.dna.data.importing.placement import RecordMap, naming_hint
from contactlens.dna.data.shown import Shown
from contactlens.dna.serving.scoring import LETTERS, base_effects, contributions, logits
from contactlens.dna.serving.windows import WindowIndex, centred_on
from contactlens.reporting.figure_style import save_figure

REGION = re.compile(r"(?P<chrom>[^\s:]+):(?P<first>[\d,]+)-(?P<last>[\d,]+)")


@dataclass(frozen=True)
class RegionMutagenesis:
    """table: chrom, pos (from 1), base, A, C, G, T (change of the logit when the base becomes it; 0 for its own),
    contribution (of the base against the mean of the four); score: logit of the window as it is
    """

    window: GenomicInterval
    start: int
    score: float
    table: pd.DataFrame

    def write(self, folder: Path | str, genome: Genome) -> list[Path]:
        """ism.png with ism.csv beside it, and ism.bw with the contributions."""
        from contactlens.dna.serving.figures import mutagenesis_figure

        png, bigwig = Path(folder) / "ism.png", Path(folder) / "ism.bw"
        save_figure(mutagenesis_figure(self.table), png, self.table)
        found = Stretch(self.window.chrom, self.start, self.table["contribution"].to_numpy())
        # A piece of a chromosome does not tell how long the whole is.
        size = self.window.record_start + genome.lengths[self.window.record]
        write_bigwig(bigwig, [found], {self.window.chrom: size})
        return [png, png.with_suffix(".csv"), bigwig]


def parse_region(text: str) -> tuple[str, int, int]:
    """`chr1:1,001-1,200`, from 1 with both ends as genome browsers write it, as (chrom, 1000, 1200).

    Raises InputError where it is not of this form, or holds no base.
    """
    found = REGION.fullmatch(text.strip())
    if found is None:
        raise InputError(f"region {text!r}: write it as chr1:1001-1200, from 1 with both ends")
    first, last = (int(found[key].replace(",", "") or 0) for key in ("first", "last"))
    if not 1 <= first <= last:
        raise InputError(f"region {text!r}: its first base must be 1 or more and not behind its last")
    return found["chrom"], first - 1, last


def window_of_region(
    region: tuple[str, int, int], genome: Genome, windows: list[GenomicInterval] | int | None
) -> GenomicInterval:
    """The first window that holds a region; of a number of bases, or none, one around it.

    Raises InputError where the genome lacks the region, or no window holds it.
    """
    chrom, start, end = region
    name = f"{chrom}:{start + 1:,}-{end:,}"
    records = RecordMap(genome)
    if records.holding(chrom, start, end) is None:
        what = "lies beyond its records" if chrom in records else "is on no record"
        raise InputError(f"region {name} {what} of {genome.name}{naming_hint([chrom], records.chroms)}")
    if windows is None or isinstance(windows, int):
        around = centred_on(chrom, start, end, windows or end - start, records, genome)
        found = [around] if around else []
    else:
        near = WindowIndex(windows).overlapping(chrom, start, end)
        found = [one for one in near if one.start <= start and end <= one.end]
    if not found:
        raise InputError(f"region {name}: no window holds all of it")
    return found[0]


def region_mutagenesis(
    model: nn.Module, genome: Genome, region: tuple[str, int, int], window: GenomicInterval, rows_per_pass: int
) -> RegionMutagenesis:
    """Every base of the region to each other base, in its window: three passes of the model a base.

    region: (chrom, start, end), 0-based and half-open, inside of `window`
    """
    chrom, start, end = region
    shown = Shown.of(window, genome)
    effects = base_effects(model, shown, start - window.start, end - window.start, rows_per_pass)
    bases = shown.bases[start - window.start : end - window.start]
    table = pd.DataFrame({"chrom": chrom, "pos": np.arange(start + 1, end + 1), "base": list(bases)})
    table = table.assign(**{letter: effects[:, i] for i, letter in enumerate(LETTERS)})
    table = table.assign(contribution=contributions(effects, bases))
    return RegionMutagenesis(window, start, float(logits(model, [shown], rows_per_pass)[0]), table)
