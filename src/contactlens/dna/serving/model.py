"""A trained classifier of windows, on new windows: probabilities and explanations as tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.calibration.classification import Platt
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.names import Task
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.checks import read_checks
from contactlens.dna.explanation.methods import BEST, require_method
from contactlens.dna.models.classifier import DESCRIPTION, WindowClassifier, load_classifier
from contactlens.dna.serving.description import FILE, Description, Interval
from contactlens.dna.serving.sequence_table import (
    input_columns,
    lengths_of,
    predict_table,
    refuse_rows,
    sequence_table,
)

CLASSIFIER, RECALIBRATION = "classifier", "recalibration.json"
ROWS_PER_PASS = 8
PLACES = ["window_id", "chrom", "win_start", "win_end"]


@dataclass(frozen=True)
class WindowsInfo:
    """What a classifier takes, and how it was evaluated.

    task: `pair` (an enhancer and a promoter in each window) or `region`; columns: of a table to predict
    window_bp: bases of its training windows, which new ones must have
    evaluated: row of metrics.json that promotion looks at
    metrics: of that row on the test split, {metric: {estimate, low, high}}
    trained_on: in words

    The last three, and of an old classifier the length, are None or empty where they did not come with the model.
    """

    task: Task
    columns: list[str]
    window_bp: int | None
    evaluated: str | None
    metrics: dict[str, Interval]
    trained_on: str | None

    def __str__(self) -> str:
        of = "an enhancer and a promoter each" if self.task == "pair" else "one region each"
        length = f"{self.window_bp:,} bp" if self.window_bp else "a length that is not described beside it"
        lines = [f"{self.task}: classifies windows of {length}, {of}"]
        lines.append(f"trained on {self.trained_on or 'windows that are not described beside it'}")
        own = {name: ends["estimate"] for name, ends in self.metrics.items() if "_minus_" not in name}
        scores = [f"{name} {value:.4g}" for name, value in own.items() if value is not None]
        return "\n".join([*lines, *([f"{self.evaluated} on the test split: {', '.join(scores)}"] if scores else [])])


class WindowsModel:
    """A classifier with the recalibration that it was evaluated with.

    description: None where the model came without one; then windows of any length are taken, and it can't tell how
        far they are from its own
    method_checks: which methods of attribution suit the model, the best first; None where it came without

    >>> import contactlens as cl
    >>> model = cl.load("models/dna")
    >>> windows = cl.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=model.info.window_bp)
    >>> model.predict(windows).shape
    (12, 6)
    >>> print(model.info)  # doctest: +ELLIPSIS
    region: classifies windows of 500 bp, one region each
    ...
    """

    def __init__(
        self,
        classifier: WindowClassifier,
        recalibration: Platt,
        description: Description | None = None,
        method_checks: pd.DataFrame | None = None,
    ) -> None:
        self.classifier, self.recalibration, self.description = classifier, recalibration, description
        self.method_checks = method_checks

    @classmethod
    def read(cls, folder: Path | str) -> "WindowsModel":
        """From a folder with classifier/, recalibration.json, serving.json and method_checks.csv, such as
        models/dna/champion, or from its classifier/. The last two may be missing.

        Raises InputError where a file is missing or damaged.
        """
        folder = Path(folder)
        classifier = folder if (folder / DESCRIPTION).is_file() else folder / CLASSIFIER
        recalibration, described = classifier.with_name(RECALIBRATION), classifier.with_name(FILE)
        if not recalibration.is_file():
            raise InputError(f"{recalibration}: no such file; the classifier was evaluated with its recalibration")
        description = Description.read(described) if described.is_file() else None
        recalibrated = Platt.from_json(read_json(recalibration))
        return cls(load_classifier(classifier), recalibrated, description, read_checks(classifier.parent))

    @property
    def info(self) -> WindowsInfo:
        task, described = self.classifier.task, self.description
        if described is None:
            return WindowsInfo(task, input_columns(task), self.classifier.window_bp, None, {}, None)
        own = described.training
        trained_on = f"{own.windows:,} windows of {own.chromosomes:,} chromosomes of {own.source}"
        return WindowsInfo(task, input_columns(task), own.window_bp, described.evaluated, described.metrics, trained_on)

    def check(self, windows: WindowSet) -> WindowSet:
        """The windows, if the model takes them and the expectations on its training set hold for them; those on labels
        are left out.

        Raises InputError, with the failed expectations and their first rows; and where the model came without limits.

        >>> import contactlens as cl
        >>> model = cl.load("models/dna")
        >>> windows = cl.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=model.info.window_bp)
        >>> len(model.check(windows).windows)
        12
        >>> model.check(cl.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=400))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        contactlens.base.errors.InputError: peaks.narrowPeak: windows of 400 bp, but the model was ... 500 bp; ...
        """
        from contactlens.dna.data.checks import validate_windows

        self._require_taken(windows)
        limits = self.described("what is acceptable in its windows").limits
        validate_windows(windows, limits, windows.source, labelled=False)
        return windows

    def drift(self, windows: WindowSet) -> pd.DataFrame:
        """How far the windows are from the training set: see `TrainingWindows.drift`.

        Raises InputError where the model came without a description of that.

        >>> import contactlens as cl
        >>> model = cl.load("models/dna")
        >>> windows = cl.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=model.info.window_bp)
        >>> drift = model.drift(windows)
        >>> list(drift["quantity"].unique())
        ['GC content', 'unknown bases']
        """
        self._require_taken(windows)
        return self.described("how far windows are from its training set").training.drift(windows)

    def described(self, what: str) -> Description:
        if self.description is None:
            raise InputError(f"the model came without {FILE}: {what} can't be said")
        return self.description

    def predict(self, windows: WindowSet | pd.DataFrame) -> pd.DataFrame:
        """A row for each window: of a window set window_id, chrom, win_start, win_end, then logit and probability.

        windows: a window set; or a table with `info.columns`: `sequence`, for pairs also the elements' places in it

        One classifier can't tell how unsure it is of itself, so there is no epistemic part.
        Raises InputError where the windows are of another task or length than the model's, or a row has no sequence, or
        no element in it.

        >>> import contactlens as cl
        >>> model = cl.load("models/dna")
        >>> windows = cl.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=model.info.window_bp)
        >>> table = model.predict(windows)
        >>> list(table)
        ['window_id', 'chrom', 'win_start', 'win_end', 'logit', 'probability']
        >>> bool(table["probability"].between(0, 1).all())
        True
        """
        if isinstance(windows, pd.DataFrame):
            return predict_table(self.classifier, self.recalibration, self._of_length(windows))
        self._require_taken(windows)
        places = windows.windows[PLACES].reset_index(drop=True)
        return places.join(predict_table(self.classifier, self.recalibration, sequence_table(windows)))

    def explain(
        self, windows: WindowSet, method: str = BEST, *, ig_steps: int = 32, max_completeness_error: float = 0.25
    ) -> pd.DataFrame:
        """Contributions of each base to the logit, before recalibration: a row a base with window_id, chrom, position
        (0-based), base, contribution and hypothetical_A to _T, what each base would contribute in its place, and
        `method`.

        method: one of those of `contactlens dna attribute`, or the best for the model; where it is refused for the
            model, it says so and the next takes its place
        ig_steps: nodes of those along a path; max_completeness_error: share of the logit's change from the reference
            beyond which a method that misses it is refused

        Raises InputError for an unknown method, and where the windows are of another task or length than the model's.

        >>> import contactlens as cl
        >>> model = cl.load("models/dna")
        >>> windows = cl.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=model.info.window_bp)
        >>> why = model.explain(windows, "saliency")
        >>> len(why) == 12 * 500, "".join(why["base"][:500]) == windows.sequences()[0]
        (True, True)
        """
        from contactlens.dna.explanation.believed import believed
        from contactlens.dna.explanation.methods import AttributionSettings

        self._require_taken(windows)
        require_method(method)
        settings = AttributionSettings(ig_steps, ROWS_PER_PASS)
        batches, known = [batch_of(windows)], self.method_checks
        used = believed(self.classifier, batches, method, settings, max_completeness_error, known)
        values = used.attributions[0].hypothetical  # (N, L, 4)
        table = windows.windows
        L = values.shape[1]
        bases = np.array([list(sequence.upper()) for sequence in windows.sequences()])  # (N, L)
        found = pd.DataFrame(
            {
                "window_id": np.repeat(table["window_id"].to_numpy(), L),
                "chrom": np.repeat(table["chrom"].to_numpy(), L),
                "position": (table["win_start"].to_numpy()[:, None] + np.arange(L)).ravel(),
                "base": bases.ravel(),
            }
        )
        own = np.stack([np.where(bases == base, values[..., i], 0.0) for i, base in enumerate("ACGT")]).sum(axis=0)
        columns = {f"hypothetical_{base}": values[..., i].ravel() for i, base in enumerate("ACGT")}
        return found.assign(contribution=own.ravel(), **columns, method=used.method)

    def _require_taken(self, windows: WindowSet) -> None:
        info = self.info
        if windows.task != info.task:
            raise InputError(f"{windows.source}: windows of task {windows.task}, but the model's is {info.task}")
        if info.window_bp is not None and windows.length != info.window_bp:
            raise InputError(
                f"{windows.source}: windows of {windows.length:,} bp, but the model was trained on"
                f" {info.window_bp:,} bp; cut them anew (--window-bp {info.window_bp})"
            )

    def _of_length(self, table: pd.DataFrame) -> pd.DataFrame:
        window_bp = self.info.window_bp
        if window_bp is not None and "sequence" in table:
            length = lengths_of(table)
            wrong = (length != window_bp) & (length > 0)
            refuse_rows(wrong, f"sequences are not of the {window_bp:,} bp that the model was trained on")
        return table
