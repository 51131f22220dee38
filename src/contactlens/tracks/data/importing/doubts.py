"""What looks wrong in an import although it can be read: units, times, marks of missing values. Each is asked about."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from contactlens.base.errors import InputError
from contactlens.tracks.data.config import LARGEST_RATIO
from contactlens.tracks.data.extremes import mark_of_missing
from contactlens.tracks.data.importing.cells import Table
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.understood import Understood
from contactlens.tracks.data.importing.units import (
    FRAME,
    NANOMETRES,
    PIXEL,
    SECONDS,
    length_unit_in,
    same_length,
    time_unit_in,
)
from contactlens.tracks.data.scales import groups_apart
from contactlens.tracks.data.track_set import TrackSet

IMPLIED_S = (1.0, 600.0)  # a frame interval outside of this is asked about where no unit of time was given
GIVEN_S = (0.01, 600.0)  # and outside of this where one was
DISTANCE_NM = (5.0, 3_000.0)  # the median separation: an atom's width, and a third of a nucleus
MOST_STEP = 5  # whole numbers in steps of up to this may be frames, where no unit of time was given
MOST_MISSING = 0.8
LEAST_DIGITS = 5  # distinct one-digit values of a signal that look like cut-off decimals
KINDS = (
    "time-unit", "length-unit", "missing-frames", "group-scale", "extreme-values", "zero-distances", "decimal-commas",
)  # fmt: skip


class Doubt(NamedTuple):
    """kind: one of KINDS, by which a user accepts it; problem: what is seen; way_out: the flag that changes it."""

    kind: str
    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.way_out}, or --accept {self.kind} if it is right"


class Case(NamedTuple):
    """An import to look at: the table with the mapped columns, how it was mapped, and what came of it."""

    table: Table
    mapping: ColumnMapping
    interval_given: bool
    track_set: TrackSet
    understood: Understood


Ask = Callable[[Doubt], bool]


def settle(case: Case, accept: Sequence[str], ask: Ask | None) -> None:
    """Ask about every doubt that is not accepted; without anybody to ask, refuse them all in one message.

    Raises InputError where a doubt is not accepted, or `accept` names an unknown kind.
    """
    unknown = [kind for kind in accept if kind not in KINDS]
    if unknown:
        raise InputError(f"--accept {unknown[0]}: unknown; known are {', '.join(KINDS)}")
    open_ones = [doubt for doubt in doubts(case) if doubt.kind not in accept]
    refused = [doubt for doubt in open_ones if ask is None or not ask(doubt)]
    if refused:
        raise InputError(f"{case.table.path}: " + "\n".join(str(doubt) for doubt in refused))


def doubts(case: Case) -> list[Doubt]:
    """Everything about an import that looks wrong."""
    checks = (_commas, _time, _interval, _gaps, _length_name, _length, _groups, _zeros, _extremes)
    found = [doubt for check in checks for doubt in check(case)]
    return list({doubt.kind: doubt for doubt in reversed(found)}.values())[::-1]  # the first of each kind


def _time(case: Case) -> Iterator[Doubt]:
    """The unit that the column's name says, and whole numbers that count from 0 or 1."""
    mapping, table = case.mapping, case.table
    unit, column = mapping.time_unit or "s", mapping.time
    if table.seconds(column) is not None:
        return
    written = table.units.get(column, column)
    said = time_unit_in(written)
    if said is not None and said != unit:
        taken = "was given as" if mapping.time_unit else "is taken for"
        flag = f"--time-unit {said}" + (" --frame-interval SECONDS" if said == FRAME else "")
        yield Doubt("time-unit", f"column {column!r} is called {written!r}, but {taken} {_long(unit)}", f"give {flag}")
        return
    if unit == FRAME or case.interval_given:
        return
    time = table.numbers(column).to_numpy()
    steps = np.diff(np.unique(time))
    step = float(np.median(steps)) if steps.size else 0.0
    counted = time.min() in (0, 1) and step == 1 if mapping.time_unit else 0 < step <= MOST_STEP
    if (time % 1 == 0).all() and counted:
        problem = f"column {column!r} holds whole numbers from {time.min():g} to {time.max():g}, which may be frames"
        yield Doubt("time-unit", problem, "give --time-unit frame --frame-interval SECONDS")


def _interval(case: Case) -> Iterator[Doubt]:
    if case.interval_given:
        return
    low, high = GIVEN_S if case.mapping.time_unit else IMPLIED_S
    interval_s = case.understood.interval_s
    if not low <= interval_s <= high:
        taken = _long(case.mapping.time_unit or "s")
        problem = f"the frame interval comes out as {interval_s:g} s, with column {case.mapping.time!r} in {taken}"
        yield Doubt("time-unit", problem, f"give --time-unit ({', '.join((*SECONDS, FRAME))})")


def _gaps(case: Case) -> Iterator[Doubt]:
    reading, column = case.understood, case.mapping.time
    if reading.finest_step > 1:
        problem = f"every step is a multiple of {reading.finest_step} frames of {reading.interval_s:g} s"
    elif reading.missing > MOST_MISSING:
        problem = f"{100 * reading.missing:.0f} % of the frames are missing at an interval of {reading.interval_s:g} s"
    else:
        return
    problem += f", so column {column!r} may not be in {_long(case.mapping.time_unit or 's')}"
    yield Doubt("missing-frames", problem, "give another --time-unit or --frame-interval")


def _long(unit: str) -> str:
    return {"ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours", FRAME: "frame numbers"}.get(
        unit, unit
    )


def _positions(mapping: ColumnMapping) -> list[str]:
    if mapping.distance is not None:
        return [mapping.distance]
    return [*(mapping.vector or []), *(mapping.locus1 or []), *(mapping.locus2 or [])]


def _length_name(case: Case) -> Iterator[Doubt]:
    given = case.mapping.length_unit or ""
    for column in _positions(case.mapping):
        written = case.table.units.get(column, column)
        said = length_unit_in(written)
        if said == PIXEL:
            problem, way_out = f"column {column!r} is in pixels", "multiply it by the size of a pixel"
            yield Doubt("length-unit", problem, way_out)
        elif said is not None and not same_length(said, given):
            problem = f"column {column!r} is called {written!r}, but was given as {given}"
            yield Doubt("length-unit", problem, f"give --length-unit {said}")


def _length(case: Case) -> Iterator[Doubt]:
    if case.track_set.driver.kind == "scalar":
        return
    low, high = DISTANCE_NM
    median, unit = case.understood.driver[2], case.mapping.length_unit or ""
    if not low <= median <= high:
        other = next((u for u in ("nm", "um", "mm") if low <= median / NANOMETRES[unit] * NANOMETRES[u] <= high), None)
        what = (
            "may be positions in the image, not separations" if median > high else "is below what a microscope resolves"
        )
        problem = f"the median distance is {median:.4g} nm, which {what}"
        yield Doubt("length-unit", problem, f"give --length-unit {other}" if other else "give another --length-unit")
        return
    values = np.concatenate([case.table.numbers(column).to_numpy() for column in _positions(case.mapping)])
    values = values[~np.isnan(values)]
    if NANOMETRES[unit] >= NANOMETRES["um"] and values.size and (values % 1 == 0).all():
        yield Doubt("length-unit", f"all lengths are whole numbers of {unit}", "give --length-unit nm")


def _groups(case: Case) -> Iterator[Doubt]:
    if case.track_set.driver.kind == "scalar":
        return
    apart = groups_apart(case.track_set.frames)
    if apart is not None:
        small, large, ratio = apart
        names = f"those of {_named(small)} and of {_named(large)}"
        problem = f"median distances differ {ratio:,.0f}-fold between groups, {names}, so their units may differ"
        yield Doubt("group-scale", problem, f"bring them to one unit (more than {LARGEST_RATIO:g}-fold is asked about)")


def _zeros(case: Case) -> Iterator[Doubt]:
    if case.mapping.merged == "zero" or case.track_set.driver.kind == "scalar":
        return
    numbers = {name: case.table.numbers(name).to_numpy() for name in _positions(case.mapping)}
    loci = zip(case.mapping.locus1 or [], case.mapping.locus2 or [], strict=True)
    axes = [numbers[first] - numbers[second] for first, second in loci] or list(numbers.values())
    zero = np.logical_and.reduce([axis == 0 for axis in axes])
    if zero.sum() < 2:
        return
    column = _positions(case.mapping)[0]
    where = case.table.where(zero, case.table.cells[column])
    problem = f"{zero.sum():,} of {zero.size:,} distances are exactly 0, first at {where}"
    if zero.sum() > 0.5 * zero.size and case.table.separator == ",":
        problem += ": decimal commas in a comma-separated file do this, export it with ';' or tabs"
    yield Doubt("zero-distances", problem, f"where 0 marks a missing value give --missing {_flag(column, 0)}")


def _extremes(case: Case) -> Iterator[Doubt]:
    mapping = case.mapping
    columns = [name for name in (*_positions(mapping), mapping.scalar, mapping.signal) if name]
    for column in columns:
        values = case.table.numbers(column).to_numpy()
        mark = mark_of_missing(values)
        if mark is not None:
            where = case.table.where(values == mark, case.table.cells[column])
            count = int((values == mark).sum())
            problem = f"column {column!r}: {count:,} values are exactly {mark:g}, far from all others, first at {where}"
            yield Doubt(
                "extreme-values", problem, f"where it marks a missing value give --missing={_flag(column, mark)}"
            )


def _commas(case: Case) -> Iterator[Doubt]:
    """Decimal commas in a comma-separated file cut each number in two, and shift what stands behind it."""
    table, mapping = case.table, case.mapping
    columns = [name for name in (*_positions(mapping), mapping.scalar, mapping.signal) if name]
    if table.separator != "," or not all(table.cells[name].dtype == "str" for name in columns):
        return
    cells = [table.spelled(name).str.strip() for name in columns]
    if not all(column.str.fullmatch(r"[+-]?\d*").all() for column in cells):
        return
    padded = any(column.str.fullmatch(r"0\d+").any() for column in cells)
    digits = set(cells[-1]) - {""} if mapping.signal else set()
    if padded or (len(digits) >= LEAST_DIGITS and all(re.fullmatch(r"\d", digit) for digit in digits)):
        shown = "have leading zeros" if padded else "are single digits"
        problem = (
            f"numbers of columns {', '.join(map(repr, columns))} are whole and {shown}, as decimals behind a comma are"
        )
        yield Doubt("decimal-commas", problem, "export the file with ';' or tabs between cells")


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(map(repr, listed[:3])) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _flag(column: str, mark: float) -> str:
    flag = f"{column}={mark:g}"
    return flag if re.fullmatch(r"[\w.=+-]+", flag) else f"'{flag}'"
