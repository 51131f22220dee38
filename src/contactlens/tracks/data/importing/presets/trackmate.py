"""TrackMate's spots: CSV with its rows of labels and units under the header, or XML."""

from contactlens.tracks.data.importing.cells import Table, without_label_rows
from contactlens.tracks.data.importing.presets.preset import Arguments, Content, Preset
from contactlens.tracks.data.importing.units import FRAME, length_unit_in, time_unit_in

POSITION = ["POSITION_X", "POSITION_Y", "POSITION_Z"]


def _with_units(content: Content, arguments: Arguments) -> tuple[Content, Arguments]:
    """Units as the file names them. Without POSITION_T the frame numbers are the times."""
    if not isinstance(content, Table):
        return content, arguments
    own = dict(arguments)
    if own["time"] == "POSITION_T" and "POSITION_T" not in content.names and "FRAME" in content.names:
        own |= {"time": "FRAME", "time_unit": FRAME}
    numbers = [name for name in (own["time"], *POSITION) if name in content.names]
    content = without_label_rows(content, numbers)
    length, time = content.units.get(POSITION[0], ""), content.units.get(own["time"], "")
    found = {"length_unit": length_unit_in(length), "time_unit": time_unit_in(time)}
    return content, {**{name: unit for name, unit in found.items() if unit}, **own}


TRACKMATE = Preset(
    "trackmate",
    "spots of TrackMate, CSV or XML: TRACK_ID, POSITION_T, and the separation in POSITION_X, POSITION_Y, POSITION_Z",
    "https://imagej.net/plugins/trackmate",
    {"track": ["TRACK_ID"], "time": "POSITION_T", "vector": POSITION},
    _with_units,
)
