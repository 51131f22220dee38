"""What variants do to a model's score, to the bases at their site, and to the motifs there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import nn

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.base.progress import counted
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.intervals import GenomicInterval
from contactlens.dna.data.importing.placement import RecordMap, naming_hint
from contactlens.dna.data.shown import Shown
from contactlens.dna.serving.alleles import Change, changed, changed_elements
from contactlens.dna.serving.motif_effects import MotifScanner
from contactlens.dna.serving.scoring import LETTERS, base_effects, contributions, logits
from contactlens.dna.serving.vcf import MISSING, InfoField, Variant, write_annotated
from contactlens.dna.serving.windows import WindowIndex, centred_on

SCORED = "scored"
UNSCORED = {
    "no_alt": "no ALT of bases (symbolic, *, a breakend or missing)",
    "no_chromosome": "on a chromosome that the FASTA lacks",
    "beyond_record": "beyond the ends of the FASTA's records",
    "unknown_base": "unknown bases (N and the like) in REF, ALT or the FASTA there",
    "ref_mismatch": "REF is not what the FASTA has",
    "off_window": "in no window",
    "window_edge": "across the edge of a window",
    "element_lost": "would remove a whole element",
}
"""Status of an allele that gets no score -> the reason in words; the first that applies."""
VARIANT_COLUMNS = (
    *("chrom", "pos", "id", "ref", "alt", "status", "window", "element"),
    *("score_ref", "score_alt", "score_change", "ism_contribution", "ism_largest"),
    *(f"ism_{letter}" for letter in LETTERS),
    *("motifs", "line", "allele"),
)
FIELDS = {
    "CL_CHANGE": ("score_change", InfoField("CL_CHANGE", "Float", "Change of the model's logit by the allele")),
    "CL_REF": ("score_ref", InfoField("CL_REF", "Float", "The model's logit of the window as the reference has it")),
    "CL_ISM": ("ism_contribution", InfoField("CL_ISM", "Float", "What the changed reference bases add to the logit")),
    "CL_WINDOW": ("window", InfoField("CL_WINDOW", "String", "The window where the allele changes the logit most")),
    "CL_STATUS": ("status", InfoField("CL_STATUS", "String", f"{SCORED}, or why not: {', '.join(UNSCORED)}")),
}
CHUNK = 64


@dataclass(frozen=True)
class VariantSettings:
    """rows_per_pass: most sequences in one pass of the model; ism_bp: most bases at a site to mutate, longer sites get
    no ISM
    """

    rows_per_pass: int = 8
    ism_bp: int = 20


class Allele(NamedTuple):
    """An ALT allele, by its number in its variant from 1, in a window that holds it; or why it gets no score."""

    variant: Variant
    number: int
    status: str
    window: GenomicInterval | None = None

    @property
    def alt(self) -> str:
        return self.variant.alts[self.number - 1] if self.variant.alts else MISSING


class Case(NamedTuple):
    """What the model is asked: a sequence, and the change made to it."""

    shown: Shown
    change: Change


@dataclass(frozen=True)
class VariantEffects:
    """table: `VARIANT_COLUMNS`, a row for each ALT allele and window; `pos` as in the VCF, scores are logits
    variants, alleles: read; multi_allelic: variants with several ALT alleles
    """

    table: pd.DataFrame
    variants: int
    alleles: int
    multi_allelic: int
    examples: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        scored = self.table[self.table["status"] == SCORED]
        n = len(scored[["line", "allele"]].drop_duplicates())
        kept = f"{n:,} of {self.alleles:,} alleles of {self.variants:,} variants scored, in {len(scored):,} windows"
        several = f"; {self.multi_allelic:,} variants have several ALT alleles, each scored by itself"
        left = self.left_out()
        return kept + several * (self.multi_allelic > 0) + (f"; not scored: {left}" if left else "")

    def left_out(self) -> str:
        counts = Counter(self.table["status"])
        found = [(counts[key], words, self.examples.get(key)) for key, words in UNSCORED.items() if counts[key]]
        return ", ".join(f"{count:,} {words} (first: {first})" for count, words, first in found)

    def write(self, out: Path | str) -> None:
        """The table, tab-separated."""
        with write_aside(out) as aside:
            self.table.to_csv(aside, sep="\t", index=False, float_format="%.6g", lineterminator="\n")

    def annotate(self, source: Path | str, out: Path | str) -> None:
        """The VCF `source` with `CL_...` in INFO: of each allele the window where it changes the logit most."""
        size = self.table["score_change"].abs().fillna(-1.0)
        best = self.table.assign(size=size).sort_values(["line", "allele", "size"], kind="stable")
        best = best.drop_duplicates(["line", "allele"], keep="last")
        values: dict[int, dict[str, list[str]]] = {}
        for row in best.to_dict("records"):
            of_line = values.setdefault(row["line"], {key: [] for key in FIELDS})
            for key, (column, _) in FIELDS.items():
                of_line[key].append(_text(row[column]))
        write_annotated(source, out, [one for _, one in FIELDS.values()], values)


def variant_effects(
    model: nn.Module,
    genome: Genome,
    variants: Iterable[Variant],
    windows: Sequence[GenomicInterval] | int,
    *,
    element_names: Sequence[str],
    scanner: MotifScanner | None = None,
    settings: VariantSettings | None = None,
) -> VariantEffects:
    """Score every ALT allele in every window that holds it.

    model: `forward(ids, regions)` -> logit
    windows: intervals; or a number of bases, for a window of its own around each variant, all of it one element
    element_names: of the model's regions, in order
    scanner: of motifs; without one the column `motifs` stays empty

    An indel makes the window longer or shorter: no base of the flanks comes in or goes, so a model that is symmetric
    under reverse complement gives both strands of a variant one change.

    Raises InputError where no allele can be scored, with the reasons.
    """
    settings = settings or VariantSettings()
    placer = _Placer(genome, windows)
    found: list[Allele] = []
    several = read = alleles = 0
    for variant in variants:
        read, several = read + 1, several + (len(variant.alts) > 1)
        alleles += max(1, len(variant.alts))
        found += placer.alleles(variant)
    examples: dict[str, str] = {}
    for one in found:
        examples.setdefault(one.status, str(one.variant) + placer.found_instead(one))
    rows = _rows(model, genome, found, element_names, scanner, settings)
    table = pd.DataFrame(rows, columns=list(VARIANT_COLUMNS))
    effects = VariantEffects(table, read, alleles, several, examples)
    if not (table["status"] == SCORED).any():
        hint = naming_hint([one.variant.chrom for one in found], placer.records.chroms)
        raise InputError(f"no allele could be scored of {alleles:,}: {effects.left_out() or 'no variants'}{hint}")
    return effects


class _Placer:
    """Finds the windows of variants and checks their reference."""

    def __init__(self, genome: Genome, windows: Sequence[GenomicInterval] | int) -> None:
        self.genome, self.records = genome, RecordMap(genome)
        self.around = windows if isinstance(windows, int) else None
        self.index = WindowIndex([]) if isinstance(windows, int) else WindowIndex(windows)

    def alleles(self, variant: Variant) -> Iterator[Allele]:
        for number, alt in enumerate(variant.alts or (MISSING,), start=1):
            status = self._status(variant, alt)
            if status == SCORED:
                yield from self._in_windows(variant, number, alt)
            else:
                yield Allele(variant, number, status)

    def found_instead(self, one: Allele) -> str:
        """What the FASTA has, where that is what is wrong."""
        return f", the FASTA has {self._bases(one.variant)}" if one.status == "ref_mismatch" else ""

    def _status(self, variant: Variant, alt: str) -> str:
        if not alt or not set(alt) <= set("ACGTRYSWKMBDHVN") or alt == variant.ref:
            return "no_alt"
        if variant.chrom not in self.records:
            return "no_chromosome"
        bases = self._bases(variant)
        if bases is None:
            return "beyond_record"
        if not set(alt + bases + variant.ref) <= set(LETTERS):
            return "unknown_base"
        return SCORED if bases == variant.ref else "ref_mismatch"

    def _bases(self, variant: Variant) -> str | None:
        found = self.records.holding(variant.chrom, variant.start, variant.end)
        if found is None:
            return None
        record, first = found
        return self.genome.fetch(record, variant.start - first, variant.end - first)

    def _in_windows(self, variant: Variant, number: int, alt: str) -> Iterator[Allele]:
        windows = self._windows(variant)
        if not windows:
            yield Allele(variant, number, "off_window")
        for window in windows:
            inside = window.start <= variant.start and variant.end <= window.end
            kept = changed_elements(window.elements, Change(variant.start, variant.ref, alt).trimmed())
            lost = any(first >= last for first, last in kept)
            yield Allele(variant, number, "window_edge" if not inside else "element_lost" if lost else SCORED, window)

    def _windows(self, variant: Variant) -> list[GenomicInterval]:
        if self.around is None:
            return self.index.overlapping(variant.chrom, variant.start, variant.end)
        own = centred_on(variant.chrom, variant.start, variant.end, self.around, self.records, self.genome)
        return [own] if own else []


def _rows(
    model: nn.Module,
    genome: Genome,
    alleles: Sequence[Allele],
    element_names: Sequence[str],
    scanner: MotifScanner | None,
    settings: VariantSettings,
) -> list[tuple]:
    """Cells of `VARIANT_COLUMNS`; the sequences of a few alleles are held at a time."""
    rows = []
    known: dict[GenomicInterval, float] = {}  # score of each window as the reference has it
    for part in counted([alleles[i : i + CHUNK] for i in range(0, len(alleles), CHUNK)], "batches of variants"):
        cases = {i: _case(one, one.window, genome) for i, one in enumerate(part) if one.window and one.status == SCORED}
        new = {window: cases[i].shown for i in cases if (window := part[i].window) and window not in known}
        known |= dict(zip(new, logits(model, list(new.values()), settings.rows_per_pass).tolist(), strict=True))
        after = logits(model, [changed(*case) for case in cases.values()], settings.rows_per_pass).tolist()
        score = dict(zip(cases, after, strict=True))
        for i, one in enumerate(part):
            effects: tuple = ("", *[np.nan] * 9, "")
            if i in cases and one.window:
                before = known[one.window]
                hits = scanner.effects(*cases[i]) if scanner else []
                numbers = (before, score[i], score[i] - before, *_ism(model, *cases[i], settings))
                effects = (_element(*cases[i], element_names), *numbers, "; ".join(map(str, hits)))
            rows.append(_cells(one, effects))
    return rows


def _case(one: Allele, window: GenomicInterval, genome: Genome) -> Case:
    change = Change(one.variant.start - window.start, one.variant.ref, one.alt)
    return Case(Shown.of(window, genome), change.trimmed())


def _cells(one: Allele, effects: tuple) -> tuple:
    variant = one.variant
    place = (variant.chrom, variant.start + 1, variant.id, variant.ref, one.alt, one.status)
    return (*place, one.window.name if one.window else "", *effects, variant.line, one.number)


def _ism(model: nn.Module, shown: Shown, change: Change, settings: VariantSettings) -> tuple[float, ...]:
    """Contribution of the touched bases, their largest single-base effect, and of one base the effect of each."""
    first, last = change.touched(shown.bases)
    if last - first > settings.ism_bp:
        return (np.nan,) * 6
    effects = base_effects(model, shown, first, last, settings.rows_per_pass)
    largest = float(effects.flat[np.abs(effects).argmax()])
    each = effects[0].tolist() if len(change.ref) == len(change.alt) == 1 else [np.nan] * 4
    return (float(contributions(effects, shown.bases[first:last]).sum()), largest, *each)


def _element(shown: Shown, change: Change, names: Sequence[str]) -> str:
    """The elements that hold a touched base, or `elsewhere`."""
    first, last = change.touched(shown.bases)
    found = [name for name, (start, end) in zip(names, shown.elements, strict=True) if start < last and first < end]
    return "+".join(found) or "elsewhere"


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return "" if np.isnan(cell) else f"{cell:.6g}"
    return str(cell)
