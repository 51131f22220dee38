"""The champion's files, out of the registry and back into the pipeline: later stages analyse the promoted model."""

import shutil
import tempfile
from pathlib import Path

from contactlens.base.files import read_json, write_aside, write_json
from contactlens.ops.registry.register import WEIGHTS_FOLDER, Candidate, Registered, find_champion

ANALYSIS = "analysis"
TRAINING = "training.json"


def write_champion(
    candidate: Candidate, registered: Registered, evaluated: str, folder: Path | str, or_candidate: bool = False
) -> None:
    """Write what was registered of the champion under `analysis`, and champion.json, into `folder`.

    champion.json: `champion` is its content hash, `metrics` its row `evaluated` of metrics.json and `reasons` why it
    was promoted. Where no version has been promoted `champion` is null and `reasons` say why the candidate was not. No
    number of a version or run is among it, so equal content gives equal bytes in any store.

    or_candidate: where no version has been promoted, write the candidate's files

    Where the candidate is the champion the files are its own, otherwise they are fetched from the champion's run.
    Raises InputError where that does not have them.
    """
    champion = find_champion(registered.name)
    with write_aside(folder) as aside, tempfile.TemporaryDirectory() as fetched:
        aside.mkdir()
        if champion is None:
            for path in candidate.artifacts[ANALYSIS] if or_candidate else ():
                _copy(path, aside / path.name)
            write_json(aside / "champion.json", {"champion": None, "reasons": registered.decision.reasons})
            return
        if champion.version == registered.version:
            files, metrics = candidate.artifacts[ANALYSIS], candidate.metrics
        else:
            files = sorted(champion.download(ANALYSIS, fetched).iterdir())
            metrics = champion.download(f"{WEIGHTS_FOLDER}/{candidate.metrics.name}", fetched)
        for path in files:
            _copy(path, aside / path.name)
        described = {"champion": champion.content_hash, "metrics": read_json(metrics).get(evaluated, {})}
        write_json(aside / "champion.json", {**described, "reasons": champion.reasons})


def write_registered(candidate: Candidate, registered: Registered, path: Path | str) -> None:
    """Which version the pipeline's files are, as its registered model and content hash: the same in any store. How
    often its test split has been used depends on the store, and is told by the version's tag alone."""
    write_json(path, {"registered_model": registered.name, "content_hash": candidate.content_hash()})


def standing(registered: Registered) -> str:
    """What the registry says of a version now, which may be less than what was once decided."""
    champion = find_champion(registered.name)
    if champion is None:
        return "not promoted; there is no champion"
    if champion.version == registered.version:
        return "the champion"
    was = "was promoted once" if registered.decision.promote else "not promoted"
    return f"{was}; the champion is version {champion.version}"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
