"""Units as people write them: in a column's name, in a row under the header, in a flag."""

import re
import unicodedata

SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
FRAME = "frame"
# Two code points look like a Greek mu: the micro sign and the letter.
MICRO = {"um": 1e3, "\u00b5m": 1e3, "\u03bcm": 1e3}
NANOMETRES = {"pm": 1e-3, "angstrom": 0.1, "nm": 1.0, **MICRO, "mm": 1e6, "m": 1e9}
PIXEL = "pixel"

_TIME = {
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    FRAME: ("frame", "frames", "slice", "timepoint", "framenumber"),
}
_LENGTH = {
    "nm": ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    "um": ("um", "\u03bcm", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    "mm": ("mm", "millimeter", "millimetre"),
    "angstrom": ("angstrom", "\u00e5"),
    PIXEL: ("px", "pixel", "pixels"),
}
_TIME_WORDS = {word: unit for unit, words in _TIME.items() for word in words}
_LENGTH_WORDS = {word: unit for unit, words in _LENGTH.items() for word in words}


def time_unit_in(text: str) -> str | None:
    """The unit of time that a column's name, or the cell under it, speaks of.

    >>> time_unit_in("time_min"), time_unit_in("T [s]"), time_unit_in("Time"), time_unit_in("(sec)")
    ('min', 's', None, 's')
    """
    return _last_known(text, _TIME_WORDS)


def length_unit_in(text: str) -> str | None:
    """The unit of length that a column's name, or the cell under it, speaks of.

    >>> length_unit_in("E-P distance (\u00b5m)"), length_unit_in("ep_nm"), length_unit_in("d")
    ('um', 'nm', None)
    """
    return _last_known(text, _LENGTH_WORDS)


def same_length(a: str, b: str) -> bool:
    """Whether two units of length are one, however written."""
    return NANOMETRES.get(a) == NANOMETRES.get(b) and a in NANOMETRES


def _last_known(text: str, words: dict[str, str]) -> str | None:
    plain = unicodedata.normalize("NFKC", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).casefold()
    found = [words[word] for word in re.split(r"[\W\d_]+", plain) if word in words]
    return found[-1] if found else None
