"""TrackMate's XML: a saved session (spots and the edges between them), or its export of tracks as particles.

Entities and document types, by which an XML file can read other files or fill the memory, are refused.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Reading, Table, require_columns

AXES = ("POSITION_X", "POSITION_Y", "POSITION_Z")
DETECTION = dict(zip("xyz", AXES, strict=True))


def read(path: Path, columns: Sequence[str], reading: Reading) -> Table:
    """A row per spot, with the columns of TrackMate's CSV: TRACK_ID, FRAME, POSITION_X, ... and the file's units."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import parse

    try:
        root = parse(path, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise InputError(
            f"{path}: refused, it declares {type(error).__name__}: entities can read other files"
        ) from None
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise InputError(f"{path}: not a readable XML file, or cut short ({error})") from error
    if root.tag == "TrackMate":
        rows, units = _session(path, root)
    elif root.tag == "Tracks":
        rows, units = _particles(path, root)
    else:
        raise InputError(f"{path}: not TrackMate's XML: its root is <{root.tag}>, expected <TrackMate> or <Tracks>")
    if not rows:
        raise InputError(f"{path}: the file holds no spot")
    cells = pd.DataFrame(rows, dtype="str").fillna("")
    require_columns(path, columns, list(cells.columns))
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    units = {name: unit for name, unit in units.items() if name in cells and unit}
    return Table(path, cells, "spot", reading, units=units)


def _session(path: Path, root: Any) -> tuple[list[dict[str, str]], dict[str, str]]:
    model = root.find("Model")
    if model is None:
        raise InputError(f"{path}: holds no <Model>, so it has no spots; save the session after tracking")
    track_of = _track_of(path, model)
    rows = []
    for spot in model.iterfind("AllSpots/SpotsInFrame/Spot"):
        values = {name: value for name, value in spot.attrib.items() if name != "name"}
        rows.append({"TRACK_ID": track_of.get(spot.get("ID"), ""), **values})
    length, time = model.get("spatialunits", ""), model.get("timeunits", "")
    return rows, {**dict.fromkeys(AXES, length), "POSITION_T": time}


def _track_of(path: Path, model: Any) -> dict[str, str]:
    """Spot to track. Tracks that TrackMate's filters hide are left out; a spot of two tracks is refused."""
    visible = {element.get("TRACK_ID") for element in model.iterfind("FilteredTracks/TrackID")}
    found: dict[str, str] = {}
    for track in model.iterfind("AllTracks/Track"):
        name = track.get("TRACK_ID")
        if name is None:
            raise InputError(f"{path}: a <Track> has no TRACK_ID")
        if visible and name not in visible:
            continue
        for edge in track.iterfind("Edge"):
            for end in ("SPOT_SOURCE_ID", "SPOT_TARGET_ID"):
                spot = edge.get(end)
                if spot is not None and found.setdefault(spot, name) != name:
                    raise InputError(f"{path}: spot {spot} belongs to the tracks {found[spot]} and {name}")
    return found


def _particles(path: Path, root: Any) -> tuple[list[dict[str, str]], dict[str, str]]:
    rows = [
        {"TRACK_ID": str(index), "FRAME": spot.get("t", ""), **{DETECTION[a]: spot.get(a, "") for a in DETECTION}}
        for index, particle in enumerate(root.iterfind("particle"))
        for spot in particle.iterfind("detection")
    ]
    units = dict.fromkeys(AXES, root.get("spaceUnits", ""))
    try:
        interval = float(root.get("frameInterval", "nan"))
    except ValueError:
        raise InputError(f"{path}: frameInterval={root.get('frameInterval')!r} is no number") from None
    if interval > 0 and Counter(row["FRAME"].isdigit() for row in rows).get(False, 0) == 0:
        rows = [{**row, "POSITION_T": repr(int(row["FRAME"]) * interval)} for row in rows]
        units["POSITION_T"] = root.get("timeUnits", "")
    return rows, units
