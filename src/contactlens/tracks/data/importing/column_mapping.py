"""Which columns of a lab's table hold what, and in which units."""

from dataclasses import dataclass
from typing import Literal

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.units import FRAME, NANOMETRES, SECONDS
from contactlens.tracks.data.track_set import Driver, DriverKind


@dataclass(frozen=True)
class ColumnMapping:
    """Names of the columns of a long table (one row per track and time) and their units.

    track: the columns that together identify a track
    time, time_unit: ms, s, min, h, or "frame" for a frame number (then the frame interval must be given); seconds
        where none is given
    group: what is split as a whole, such as the embryo; without it each track is its own group
    The driver is exactly one of
        vector: the three components of the separation, in `length_unit`; of two (x, y) only the length in that
            plane is kept, as a distance
        locus1, locus2: the coordinates of each of two loci, in `length_unit`; separation = locus2 - locus1.
            Where locus2 is empty both spots are one: `merged` says whether that frame is missing or at zero
        distance: in `length_unit`
        scalar: anything else that is gated in the same way, in `driver_unit` (free text)
        elapsed: nothing was imaged but the signal; the time since the movie's start (s) stands for a driver, for
            tasks that read the signal alone
    signal, signal_unit: the imaged transcription signal, if there is one
    """

    track: list[str]
    time: str
    time_unit: str | None = None
    group: list[str] | None = None
    vector: list[str] | None = None
    locus1: list[str] | None = None
    locus2: list[str] | None = None
    merged: Literal["missing", "zero"] = "missing"
    distance: str | None = None
    scalar: str | None = None
    elapsed: bool = False
    length_unit: str | None = None
    driver_unit: str | None = None
    signal: str | None = None
    signal_unit: str = "a.u."

    @property
    def names(self) -> list[str]:
        """The columns that keep their spelling: track and group."""
        return list(dict.fromkeys([*self.track, *(self.group or [])]))

    @property
    def numbers(self) -> list[str]:
        """The columns that hold numbers: time, the driver's, the signal."""
        driver = [*(self.vector or []), *(self.locus1 or []), *(self.locus2 or [])]
        return [self.time, *driver, *(name for name in (self.distance, self.scalar, self.signal) if name)]

    @property
    def kind(self) -> DriverKind:
        if self.scalar is not None or self.elapsed:
            return "scalar"
        return "distance" if self.distance is not None or self.planar else "vector"

    @property
    def planar(self) -> bool:
        """Whether the positions are of two axes, so that only distances in that plane are known."""
        return len(self.vector or self.locus1 or []) == 2

    @property
    def driver(self) -> Driver:
        if self.scalar is not None:
            return Driver("scalar", self.scalar, self.driver_unit or "")
        if self.elapsed:
            return Driver("scalar", "time since the start", "s")
        return Driver(self.kind, "E-P distance in the x-y plane" if self.planar else "E-P distance", "nm")

    @property
    def nanometres(self) -> float:
        """Nanometres in one `length_unit`."""
        return NANOMETRES[self.length_unit or "nm"]

    def check(self) -> None:
        """Raise InputError where the mapping contradicts itself or names an unknown unit."""
        self._check_driver()
        self._check_units()
        if not self.track:
            raise InputError("column mapping: no track column given")
        if self.merged not in ("missing", "zero"):
            raise InputError(f"column mapping: merged is 'missing' or 'zero', not {self.merged!r}")
        used = [*self.names, *self.numbers]
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise InputError(f"column mapping: column {twice[0]!r} is used for two things")

    def _check_driver(self) -> None:
        loci = self.locus1 is not None or self.locus2 is not None
        given = {"vector": self.vector, "two loci": loci or None, "distance": self.distance}
        given |= {"scalar": self.scalar, "elapsed": self.elapsed or None}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            found = "none was given" if not named else f"{' and '.join(named)} were given"
            known = "vector, two loci, distance, scalar, or elapsed where only a signal was imaged"
            raise InputError(f"column mapping: the driver must be one of {known}; {found}")
        if loci and (self.locus1 is None or self.locus2 is None):
            raise InputError("column mapping: two loci need the coordinates of both, locus1 and locus2")
        for name, columns in (("vector", self.vector), ("locus1", self.locus1), ("locus2", self.locus2)):
            if columns is not None and len(columns) not in (2, 3):
                raise InputError(f"column mapping: {name} needs 3 columns (x, y, z) or 2 (x, y), not {columns}")
        if loci and len(self.locus1 or []) != len(self.locus2 or []):
            raise InputError("column mapping: locus1 and locus2 need the same axes")
        if self.elapsed and self.signal is None:
            raise InputError("column mapping: without a driver there must be a signal")

    def _check_units(self) -> None:
        if self.time_unit is not None:
            _require_unit("time", self.time_unit, [*SECONDS, FRAME])
        if self.kind != "scalar":
            _require_unit("length", self.length_unit, list(NANOMETRES))
        elif not self.elapsed and not (self.driver_unit or "").strip():
            raise InputError(f"column mapping: the driver {self.scalar!r} needs a unit, such as a.u. (--driver-unit)")
        if self.signal is not None and not self.signal_unit.strip():
            raise InputError(f"column mapping: the signal {self.signal!r} needs a unit, such as a.u. (--signal-unit)")


def _require_unit(what: str, unit: str | None, known: list[str]) -> None:
    if unit not in known:
        found = f"no {what} unit was given (--{what}-unit)" if unit is None else f"{what} unit {unit!r} is unknown"
        raise InputError(f"column mapping: {found}; known are {', '.join(known)}")
