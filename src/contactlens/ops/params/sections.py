"""params.yaml, typed: every value the pipeline uses, once, with nothing unknown and nothing missing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from contactlens.base.errors import InputError
from contactlens.base.settings import Field, NonNegativeInt, rule, settings
from contactlens.dna.data.config import CheckLimits as DnaCheckLimits
from contactlens.dna.data.config import SplitConfig as DnaSplitConfig
from contactlens.dna.data.names import Task as WindowTask
from contactlens.dna.evaluation.baselines import applicable_baselines as applicable_dna_baselines
from contactlens.dna.evaluation.config import BaselineConfig as DnaBaselineConfig
from contactlens.dna.evaluation.config import EvaluateConfig as DnaEvaluateConfig
from contactlens.dna.explanation.config import ExplainConfig as DnaExplainConfig
from contactlens.dna.models.config import BackboneConfig, HeadConfig
from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.simulation.config import SimulationConfig as DnaSimulationConfig
from contactlens.dna.training import pretraining_sweep
from contactlens.dna.training import sweep as dna_sweep
from contactlens.dna.training.config import FineTuneConfig, PretrainConfig
from contactlens.ops.params.strict import from_mapping, load_section, overlay, suggestion
from contactlens.ops.registry.rules import ClassifierRules, LoadingRules, PromotionRules, single_form
from contactlens.tracks.data.config import CheckLimits, SplitConfig
from contactlens.tracks.evaluation.baselines import comparable_baselines
from contactlens.tracks.evaluation.config import (
    BaselineConfig,
    DeconvolutionConfig,
    EvaluationConfig,
    LoadingEvaluationConfig,
    SignalEvaluationConfig,
    StateBaselineConfig,
    StateEvaluationConfig,
)
from contactlens.tracks.explanation.config import ExplainConfig
from contactlens.tracks.explanation.motifs.config import TemporalMotifConfig
from contactlens.tracks.models.architectures import check_fit
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.tasks import Task, task_named
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.simulation.config import RandomWalkConfig, SimulationConfig
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.training.config import FitConfig, LossConfig, SeedsConfig, TrainingConfig
from contactlens.tracks.training.sweep import SWEPT, SweepConfig, contact_sweep, section_changes
from contactlens.training.search import SearchConfig, Sweep

PARAMS_FILE = "params.yaml"
LARGEST_SEED = 2**31 - 1  # numpy and scikit-learn take 32 bits, and each repeat adds one


@settings
class TracksParams:
    """The `tracks` section; each part is documented beside the code that it configures.

    task: what is predicted from what, a row of `tracks.models.tasks.TASKS`
    source: `simulate` makes the tracks from `simulate`; `import` reads those of `data/import`
    cross_validation: `group` trains and evaluates once more for every group (embryo, experiment), on the others, with
        the configuration that the sweep chose; a number makes as many folds of whole groups; `none` leaves it out.
        Folds run at once as trials of the sweep do
    """

    task: str
    source: Literal["simulate", "import"]
    simulate: SimulationConfig
    toy: RandomWalkConfig
    checks: CheckLimits
    radius: RadiusConfig
    split: SplitConfig
    cross_validation: Literal["none", "group"] | Annotated[int, Field(ge=2)]
    model: ModelConfig
    gate: GateConfig
    loss: LossConfig
    fit: FitConfig
    sweep: SweepConfig
    train: SeedsConfig
    baselines: BaselineConfig
    evaluate: SignalEvaluationConfig
    state_baselines: StateBaselineConfig
    evaluate_states: StateEvaluationConfig
    deconvolution: DeconvolutionConfig
    evaluate_loading: LoadingEvaluationConfig
    explain: ExplainConfig
    motifs: TemporalMotifConfig
    promotion: PromotionRules
    state_promotion: ClassifierRules
    loading_promotion: LoadingRules

    @property
    def resolved_task(self) -> Task:
        return task_named(self.task)

    @property
    def reporter(self) -> Reporter:
        return Reporter.of(self.simulate)

    @property
    def training(self) -> TrainingConfig:
        return TrainingConfig(self.task, self.model, self.gate, self.loss, self.fit, self.reporter)

    @property
    def evaluation(self) -> EvaluationConfig:
        return EvaluationConfig(
            self.baselines,
            self.evaluate,
            self.state_baselines,
            self.evaluate_states,
            self.deconvolution,
            self.evaluate_loading,
            self.reporter,
        )

    @property
    def search(self) -> Sweep:
        return contact_sweep(self.sweep, self.training)

    @property
    def rules(self) -> PromotionRules | ClassifierRules | LoadingRules:
        """The rules of promotion for what the task predicts, against the baselines that see no more than it does. What
        they decide on is what the task has: one network where there is no ensemble."""
        task = self.resolved_task
        if task.latent:
            return self.loading_promotion
        own = self.state_promotion if task.target == "state" else self.promotion
        must_beat = comparable_baselines(task, own.must_beat)
        if isinstance(own, ClassifierRules):
            return replace(own, must_beat=must_beat)
        evaluated = own.evaluated if self.train.is_ensemble(task) else single_form(own.evaluated)
        return replace(own, must_beat=must_beat, evaluated=evaluated)

    @rule
    def _cross_validation_is_of_a_predicted_signal(self) -> None:
        if self.cross_validation != "none" and not self.resolved_task.predicts_signal:
            raise ValueError(f"cross_validation: must be none for task {self.task}, which predicts no signal")

    @rule
    def _task_and_model_fit(self) -> None:
        check_fit(self.resolved_task, self.model)
        _require_swept(self.sweep, SWEPT)

    @property
    def swept(self) -> Collection[str]:
        """The keys that a sweep may change."""
        return SWEPT

    def section_changes(self, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Section -> what of it `values` of swept keys ask for."""
        return section_changes(self.training, values)


@settings
class DnaParams:
    """The `dna` section; each part is documented beside the code that it configures.

    source: `simulate` makes the windows from `simulate`; `import` reads those of `data/import_dna`
    context_bp: of pairs, bases on either side of an element that the network sees with it, each element by itself;
        null for the whole window. Training, evaluation and explanation then take in proportion to the bases that are
        seen; what it costs in AUROC is a question to the data: docs/scale.md
    """

    source: Literal["simulate", "import"]
    simulate: DnaSimulationConfig
    checks: DnaCheckLimits
    split: DnaSplitConfig
    backbone: BackboneConfig
    pretrain: PretrainConfig
    pretrain_sweep: SearchConfig
    head: HeadConfig
    context_bp: NonNegativeInt | None
    fine_tune: FineTuneConfig
    sweep: dna_sweep.SweepConfig
    baselines: DnaBaselineConfig
    evaluate: DnaEvaluateConfig
    explain: DnaExplainConfig
    motifs: MotifConfig
    promotion: ClassifierRules

    @rule
    def _motifs_are_of_an_explained_method(self) -> None:
        if self.motifs.method not in self.explain.stored:
            known, got = ", ".join(self.explain.stored), self.motifs.method
            raise ValueError(f"motifs.method must be one of explain.stored ({known}), got {got!r}")

    @rule
    def _searched_keys_are_swept(self) -> None:
        _require_swept(self.sweep, dna_sweep.SWEPT)
        _require_swept(self.pretrain_sweep, pretraining_sweep.SWEPT, "pretrain_sweep")

    @property
    def pretraining_search(self) -> Sweep:
        return pretraining_sweep.pretraining_sweep(self.pretrain_sweep, self.pretrain)

    @property
    def training(self) -> dna_sweep.ClassifierTraining:
        return dna_sweep.ClassifierTraining(self.head, self.fine_tune, self.context_bp)

    @property
    def search(self) -> Sweep:
        return dna_sweep.fine_tuning_sweep(self.sweep, self.training)

    @property
    def swept(self) -> Collection[str]:
        """The keys that a sweep may change."""
        return dna_sweep.SWEPT

    def section_changes(self, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Section -> what of it, nested, `values` of swept keys ask for."""
        return dna_sweep.section_changes(values)

    def rules(self, task: WindowTask) -> ClassifierRules:
        """The rules of promotion for windows of this task, against the baselines that there are for it."""
        baselines = applicable_dna_baselines(task, self.promotion.must_beat, self.baselines)
        return replace(self.promotion, must_beat=baselines)


@settings
class Params:
    """The file.

    seed: of everything that is drawn at random
    """

    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)]
    tracks: TracksParams
    dna: DnaParams


def load_params(path: Path | str = PARAMS_FILE) -> Params:
    """The params file, validated; InputError names the file, line and key at fault."""
    return load_section(path, Params)


def _require_swept(config: SearchConfig, swept: Collection[str], section: str = "sweep") -> None:
    for key in config.space:
        if key not in swept:
            raise ValueError(f"{section}.space.{key}: unknown key{suggestion(key, list(swept))}")


BranchParams = TypeVar("BranchParams", TracksParams, DnaParams)


def apply_best(params: BranchParams, best: Mapping[str, Any], name: str = "best_params.yaml") -> BranchParams:
    """`params` of a branch with the swept keys at the values in `best`, as read from its best_params.yaml.

    Raises InputError for a key that is not swept and a value that its section would refuse.
    """
    return _with_best(params, best, params.swept, params.section_changes, name)


def apply_best_pretraining(params: DnaParams, best: Mapping[str, Any], name: str) -> DnaParams:
    """The same with what the sweep of pre-training found, as read from best_pretraining.yaml."""
    return _with_best(params, best, pretraining_sweep.SWEPT, pretraining_sweep.section_changes, name)


def _with_best(
    params: BranchParams,
    best: Mapping[str, Any],
    swept: Collection[str],
    section_changes: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    name: str,
) -> BranchParams:
    for key in best:
        if key not in swept:
            raise InputError(f"{name}: {key}: unknown key{suggestion(key, list(swept))}")
    sections = {}
    for section, changed in section_changes(best).items():
        own = getattr(params, section)
        content = {section: overlay(asdict(own), changed, type(own), name)}
        sections[section] = from_mapping(content, type(own), section, name)
    return replace(params, **sections)
