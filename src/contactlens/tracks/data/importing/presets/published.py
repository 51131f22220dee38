"""Published two-locus data whose files need no rearrangement."""

import re

from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.presets.preset import Arguments, Content, Preset
from contactlens.tracks.data.importing.units import FRAME


def _interval_of_name(content: Content, arguments: Arguments) -> tuple[Content, Arguments]:
    """VEPI's files are named after their frame interval: `30s_340kb_None.npz`."""
    named = re.match(r"(\d+(?:\.\d+)?)s_", content.path.name)
    if named and "frame_interval" not in arguments and isinstance(content, Arrays):
        note = f"frame interval {named.group(1)} s, by the file's name"
        content = Arrays(content.path, content.values, content.reading, (*content.notes, note))
        arguments = {**arguments, "frame_interval": float(named.group(1))}
    return content, arguments


VEPI = Preset(
    "vepi",
    "NPZ: enhancer_coordinate, promoter_coordinate (tracks x frames x 3, nm), corrected_intensity (tracks x frames)",
    "https://github.com/henrik-dahl-pinholt/viprodyne",
    {
        "locus1": ["promoter_coordinate"],
        "locus2": ["enhancer_coordinate"],
        "length_unit": "nm",
        "signal": "corrected_intensity",
    },
    _interval_of_name,
)
BRUECKNER = Preset(
    "brueckner",
    "table: cell_id, time_point (frames), x_Rij, y_Rij, z_Rij (um), red (transcription)",
    "https://doi.org/10.1126/science.adf5568",
    {
        "track": ["cell_id"],
        "time": "time_point",
        "time_unit": FRAME,
        "vector": ["x_Rij", "y_Rij", "z_Rij"],
        "length_unit": "um",
        "signal": "red",
    },
)
GABRIELE = Preset(
    "gabriele",
    "table: id, t (frames), x, y, z and x2, y2, z2 of the two loci (um); no transcription",
    "https://doi.org/10.1126/science.abn6583",
    {
        "track": ["id"],
        "time": "t",
        "time_unit": FRAME,
        "locus1": ["x", "y", "z"],
        "locus2": ["x2", "y2", "z2"],
        "length_unit": "um",
    },
)
