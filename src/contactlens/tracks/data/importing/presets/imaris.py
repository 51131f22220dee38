"""Imaris's statistics of spots: `..._Position.csv`, with or without the title above its header."""

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Table
from contactlens.tracks.data.importing.presets.preset import Arguments, Content, Preset
from contactlens.tracks.data.importing.units import FRAME, length_unit_in


def _with_unit(content: Content, arguments: Arguments) -> tuple[Content, Arguments]:
    """The unit of length that the column Unit names, the same in all rows."""
    if not isinstance(content, Table) or "Unit" not in content.names or "length_unit" in arguments:
        return content, arguments
    units = content.tidied("Unit").drop_duplicates()
    found = {length_unit_in(unit) for unit in units}
    if len(found) != 1 or None in found:
        raise InputError(f"{content.path}, column 'Unit': {', '.join(units)}; expected one unit of length")
    return content, {**arguments, "length_unit": found.pop()}


IMARIS = Preset(
    "imaris",
    "Position.csv of spots: TrackID, Time (frames from 1), and the separation in Position X, Position Y, Position Z",
    "https://imaris.oxinst.com",
    {
        "track": ["TrackID"],
        "time": "Time",
        "time_unit": FRAME,
        "vector": ["Position X", "Position Y", "Position Z"],
    },
    _with_unit,
)
