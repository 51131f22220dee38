"""A sequence with another allele in place: its bases, and where its elements lie then."""

from collections.abc import Sequence
from typing import NamedTuple

from contactlens.dna.data.shown import Bounds, Shown


class Change(NamedTuple):
    """`ref` at [at, at + len(ref)) of a sequence becomes `alt`; either may be empty."""

    at: int
    ref: str
    alt: str

    @property
    def end(self) -> int:
        return self.at + len(self.ref)

    def trimmed(self) -> "Change":
        """Without the bases that both alleles share at their ends, such as the one before an indel of a VCF."""
        at, ref, alt = self
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref and alt and ref[0] == alt[0]:
            at, ref, alt = at + 1, ref[1:], alt[1:]
        return Change(at, ref, alt)

    def touched(self, bases: str) -> Bounds:
        """Bases of the sequence `bases` that it touches: those replaced; of an insertion the two beside it.

        In a repeat, where an indel can be written at several places, all of them.
        """
        first, last = self.at, self.end
        unit = self.ref or self.alt
        if not (self.ref and self.alt):
            while first > 0 and bases[first - 1] == unit[(first - 1 - self.at) % len(unit)]:
                first -= 1
            while last < len(bases) and bases[last] == unit[(last - self.end) % len(unit)]:
                last += 1
        return (first, last) if self.ref else (max(0, first - 1), min(last + 1, len(bases)))


def changed(shown: Shown, change: Change) -> Shown:
    """The sequence after a trimmed change, longer or shorter by an indel; elements keep their bases.

    What is inserted at an element's border is outside of it. An element of which nothing is left has no length.
    Mirrored, it is the change of the reverse complement.
    """
    bases = shown.bases[: change.at] + change.alt + shown.bases[change.end :]
    return Shown(bases, changed_elements(shown.elements, change))


def changed_elements(elements: Sequence[Bounds], change: Change) -> tuple[Bounds, ...]:
    """Where the elements of `changed` lie."""
    return tuple((_start(start, change), _end(end, change)) for start, end in elements)


def _start(place: int, change: Change) -> int:
    if place >= change.end:
        return place + len(change.alt) - len(change.ref)
    return min(place, change.at + len(change.alt)) if place > change.at else place


def _end(place: int, change: Change) -> int:
    if place <= change.at:
        return place
    beyond = change.end - place  # bases of ref beyond the element
    shift = len(change.alt) - len(change.ref)
    return place + shift if beyond <= 0 else change.end + shift - min(beyond, len(change.alt))
