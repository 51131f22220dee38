"""What a preset is: the arguments of an import that a known layout fixes, and how its file becomes a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.cells import Table

DRIVER = ("vector", "locus1", "locus2", "distance", "scalar", "elapsed")
Content = Table | Arrays
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Preset:
    """about, address: the layout in a line, and where it is described or its data are
    arguments: of `read_tracks`, for those that the user leaves out; a driver of the user's replaces the preset's
    prepare: from the file's content and the arguments to a table or arrays whose names the arguments use; None where
        the file is that already
    """

    name: str
    about: str
    address: str
    arguments: Mapping[str, Any]
    prepare: Callable[[Content, Arguments], tuple[Content, Arguments]] | None = None

    def filled(self, given: Arguments) -> Arguments:
        """The user's arguments, and the preset's where there are none."""
        own = dict(self.arguments)
        if any(given.get(name) for name in DRIVER):
            own = {name: value for name, value in own.items() if name not in DRIVER}
        return {**own, **given}
