"""Settings of both trainings of the DNA branch; imports no torch, so that reading params stays quick."""

from typing import Annotated, Literal

from contactlens.base.settings import Field, NonNegativeInt, OpenUnit, PositiveInt, rule, settings
from contactlens.training.config import LoopConfig

ClassWeights = Literal["none", "balanced"]


@settings
class TrainerConfig(LoopConfig):
    """batch_size: windows per backward pass
    accumulate: backward passes per step of the optimiser
    warmup_share: of all steps, over which the learning rate rises from 0
    """

    accumulate: PositiveInt
    warmup_share: Annotated[float, Field(ge=0, lt=1)]


@settings
class RunConfig:
    """How a training is run; what it is stands in `trainer`.

    workers: processes that train the model together, each with a GPU of its own where there are any; with more than 1
        by Ray, and its cluster at RAY_ADDRESS. They share the rows of each step, so `batch_size` x `accumulate` rows
        make a step whatever their number, and each has at most `batch_size` of them in memory
    checkpoint_steps: steps from one state within an epoch to the next, beside that after every epoch: what a kill costs
        at most; 0: none within epochs
    """

    workers: PositiveInt
    checkpoint_steps: NonNegativeInt
    trainer: TrainerConfig

    @rule
    def _a_worker_has_a_row_of_every_step(self) -> None:
        rows = self.trainer.batch_size * self.trainer.accumulate
        if self.workers > rows:
            raise ValueError(
                f"workers must be at most the rows of a step, trainer.batch_size x trainer.accumulate = {rows}, "
                f"got {self.workers}"
            )


@settings
class FineTuneConfig(RunConfig):
    """What is trained, beside the head, and how.

    unfrozen_layers: blocks, counted from the last, that are trained with the final norm; as many as there are blocks
        or more also train the embedding
    adapter_rank: of the low-rank adapters by which the frozen blocks' projections learn too (Hu et al. 2021, arXiv
        2106.09685): each then has that many times rows + columns numbers to train; 0: they stay as they are
    layer_decay: learning rate of a block over that of the block above it; head and final norm have the rate itself
        (Howard & Ruder 2018, ACL, arXiv 1801.06146, "discriminative fine-tuning", where it is 1 / 2.6)
    class_weights: `balanced`, windows of either label weigh as much as those of the other in all, which helps where one
        is rare; logits stay those of the windows as they are, which the weights alone would shift. The training loss
        is then weighted, that of validation is not
    cache_frozen: keep what the frozen blocks give on disk (2 d_model floats for each base that is seen) instead of
        running them again in every epoch; with adapters nothing of them stays the same
    cache_bfloat16: keep it in half of the disk, each number rounded to 3 digits
    dropout: of the head's features and of its hidden units, in training
    label_smoothing: labels s / 2 and 1 - s / 2 are trained on in place of 0 and 1: the logit then has a best value,
        log(2 / s - 1), and does not grow with every epoch (Szegedy et al. 2016, CVPR, p. 2818)
    """

    unfrozen_layers: NonNegativeInt
    adapter_rank: NonNegativeInt
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    class_weights: ClassWeights
    cache_frozen: bool
    cache_bfloat16: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


@settings
class PretrainConfig(RunConfig):
    """crop_bp: bases of each training crop
    crops_per_epoch: drawn anew from the training chromosomes in each epoch
    validation_crops: drawn once from the validation chromosomes
    mask_fraction: share of the bases to be predicted
    """

    crop_bp: PositiveInt
    crops_per_epoch: PositiveInt
    validation_crops: PositiveInt
    mask_fraction: OpenUnit
