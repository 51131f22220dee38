"""What a sweep tries: its typed configuration, the trials always there, and the space of the search."""

from dataclasses import dataclass, fields
from typing import Any, Literal

Value = float | int | str | bool


@dataclass(frozen=True)
class Dimension:
    """One searched key: exactly one of the four. Both ends of every range are included."""

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    randint: tuple[int, int] | None = None
    choice: tuple[Value, ...] | None = None

    def __post_init__(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of uniform, loguniform, randint, choice; got {given or 'none'}")
        ends = self.uniform or self.loguniform or self.randint
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError(f"{given[0]} needs a lower end below its upper end, got {list(ends)}")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError(f"loguniform needs ends above 0, got {list(self.loguniform)}")
        if self.choice is not None and len(set(self.choice)) != max(len(self.choice), 1):
            raise ValueError(f"choice needs distinct values, got {list(self.choice)}")

    def contains(self, value: Value) -> bool:
        """Whether a search could give this value."""
        if self.choice is not None:
            return value in self.choice
        low, high = self.uniform or self.loguniform or self.randint or (0, 0)
        return not isinstance(value, (str, bool)) and low <= value <= high


@dataclass(frozen=True)
class SweepConfig:
    """A sweep: fixed trials first, then a search.

    n_trials: trials of the search, beside the fixed ones
    max_concurrent: trials at once, and the size of the batches in which the search asks and learns; a sweep
        with the same value gives the same trials on any machine
    cpus_per_trial, gpus_per_trial: resources of one trial; a fraction of a GPU lets trials share it, and the
        GPU share counts only where there is a GPU
    max_epochs: longest training of one trial
    nll_tolerance: validation NLL (nats per frame) that a stronger regularisation may cost: of the trials this near the
        best, the one with the largest lambda_contact is chosen. Without the regulariser the radius is not identified
        (any gate wide enough predicts as well), so the smallest contact that suffices is preferred
    searcher: `optuna` (TPE; Bergstra et al., NeurIPS 2011) or `random`
    scheduler: `none`, every trial stops by its own patience; or `asha` (Li et al., MLSys 2020), which stops
        trials by comparing those that happen to be running: cheaper in large sweeps, and *not reproducible*;
        it leaves the fixed trials and the first quarter of max_epochs alone
    lambda_contact_grid: contact regularisations tried with every other key at its value in params.yaml; 0 is
        among them
    radius_starts: starting radii (driver's unit) tried at lambda_contact 0
    space: searched key -> range
    """

    n_trials: int
    max_concurrent: int
    cpus_per_trial: int
    gpus_per_trial: float
    max_epochs: int
    nll_tolerance: float
    searcher: Literal["optuna", "random"]
    scheduler: Literal["none", "asha"]
    lambda_contact_grid: tuple[float, ...]
    radius_starts: tuple[float, ...]
    space: dict[str, Dimension]

    def __post_init__(self) -> None:
        for name, least in (("n_trials", 0), ("max_concurrent", 1), ("cpus_per_trial", 1), ("max_epochs", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"sweep.{name} must be at least {least}, got {getattr(self, name)}")
        if self.nll_tolerance < 0:
            raise ValueError(f"sweep.nll_tolerance must not be negative, got {self.nll_tolerance}")
        if self.gpus_per_trial < 0:
            raise ValueError(f"sweep.gpus_per_trial must not be negative, got {self.gpus_per_trial}")
        if 0 not in self.lambda_contact_grid or min(self.lambda_contact_grid) < 0:
            raise ValueError("sweep.lambda_contact_grid must hold 0 and nothing negative")
        if len(self.radius_starts) < 2:
            raise ValueError("sweep.radius_starts must hold at least two starting radii")
        if self.n_trials and not self.space:
            raise ValueError("sweep.space is empty, so n_trials must be 0")


def fixed_trials(config: SweepConfig, defaults: dict[str, Any]) -> list[dict[str, Any]]:
    """The trials of every sweep, each `defaults` with one or two of its keys changed; none twice."""
    weights = [{"lambda_contact": weight} for weight in config.lambda_contact_grid]
    starts = [{"lambda_contact": 0.0, "radius_init": radius} for radius in config.radius_starts]
    trials: list[dict[str, Any]] = []
    for change in [*weights, *starts]:
        trial = {**defaults, **{key: value for key, value in change.items() if key in defaults}}
        if trial not in trials:
            trials.append(trial)
    return trials
