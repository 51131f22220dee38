"""A trained model by whatever names it: a folder, a file, a registered version, a run."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from contactlens.base.errors import InputError

if TYPE_CHECKING:
    from contactlens.dna.serving.model import WindowsModel
    from contactlens.tracks.serving.model import TracksModel

TRACKS, CLASSIFIER, CLASSIFIER_FILE = "model.safetensors", "classifier", "classifier.json"


def load(reference: str | Path, tracking_uri: str | None = None) -> "TracksModel | WindowsModel":
    """The model of tracks or of windows that `reference` names, ready to predict. Nothing in it is run.

    reference: a folder of models such as models/tracks/champion, or a file model.safetensors in one;
        `models:/NAME@ALIAS` or `models:/NAME/VERSION` of the MLflow registry; or the id of the run that registered a
        version
    tracking_uri: of the MLflow server; MLFLOW_TRACKING_URI, or the checkout's own store, if left out

    Raises InputError where there is no such model, or a file of it is damaged.

    >>> import contactlens as cl
    >>> cl.load("models/tracks/champion").info.driver
    'E-P distance'
    >>> cl.load("models/dna").info.columns
    ['sequence']
    >>> cl.load("models/none")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    contactlens.base.errors.InputError: models/none: no such folder or file, and no models:/NAME@ALIAS, ...
    """
    path = Path(reference)
    if path.exists():
        return _read(path)
    from contactlens.ops.registry.fetch import fetch_model, is_reference

    if not is_reference(str(reference)):
        raise InputError(
            f"{reference}: no such folder or file, and no models:/NAME@ALIAS, models:/NAME/VERSION or run id"
        )
    with TemporaryDirectory() as folder:
        return _read(fetch_model(str(reference), folder, tracking_uri))


def load_tracks(reference: str | Path, tracking_uri: str | None = None) -> "TracksModel":
    """As `load`; InputError where that is no model of tracks."""
    from contactlens.tracks.serving.model import TracksModel

    model = load(reference, tracking_uri)
    if not isinstance(model, TracksModel):
        raise InputError(
            f"{reference}: a model of windows of sequence, not of tracks; `contactlens dna predict` takes it"
        )
    return model


def load_windows(reference: str | Path, tracking_uri: str | None = None) -> "WindowsModel":
    """As `load`; InputError where that is no model of windows."""
    from contactlens.dna.serving.model import WindowsModel

    model = load(reference, tracking_uri)
    if not isinstance(model, WindowsModel):
        raise InputError(f"{reference}: a model of tracks, not of windows; `contactlens tracks predict` takes it")
    return model


def _read(path: Path) -> "TracksModel | WindowsModel":
    folder = path / "artifacts" if (path / "MLmodel").is_file() else path  # as MLflow keeps a model
    if (folder / CLASSIFIER).is_dir() or (folder / CLASSIFIER_FILE).is_file():
        from contactlens.dna.serving.model import WindowsModel

        return WindowsModel.read(folder)
    if folder.is_file() or (folder / TRACKS).is_file():
        from contactlens.tracks.serving.model import TracksModel

        return TracksModel.read(folder)
    raise InputError(f"{path}: holds neither {TRACKS} nor {CLASSIFIER}/, so no model of contactlens")
