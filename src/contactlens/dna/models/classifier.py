"""The classifier of windows: a backbone under a head over regions, invariant under reverse complement."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_aside, write_json
from contactlens.base.settings import PositiveInt, settings
from contactlens.dna.data.batch import REGIONS
from contactlens.dna.models.backbone import load_backbone, new_backbone, save_backbone
from contactlens.dna.models.caduceus.checkpoint import load_tensors, require_numbers
from contactlens.dna.models.caduceus.strands import StrandBackbone
from contactlens.dna.models.pair_head import Pooling, RegionHead

Task = Literal["pair", "region"]
DESCRIPTION, HEAD = "classifier.json", "head.safetensors"


@settings
class HeadConfig:
    """hidden: width of the head's one hidden layer
    pooling: of pairs. `mean`: an element's mean state. `directed`: the strands apart, and where in the element, read
        from enhancer to promoter: what orientation and order need
    """

    hidden: PositiveInt
    pooling: Pooling = "mean"


class WindowClassifier(nn.Module):
    """Token ids (B, L) and regions (B, R, L) -> logit (B,).

    The state of a base is what the network says of it on either strand, each at the base's own place and in the same
    order of channels. A window and its reverse complement then have exchanged and mirrored states whatever the
    backbone: `rcps` models give both strands at once, `ph` ones are run on both.
    """

    def __init__(self, backbone: StrandBackbone, task: Task, head: HeadConfig) -> None:
        super().__init__()
        self.task = task
        self.window_bp: int | None = None  # bases of every window it was trained on, once it was
        self.backbone = backbone
        self.head = RegionHead(backbone.config.d_model, len(REGIONS[task]), head.hidden, head.pooling)

    def states(self, ids: Tensor) -> Tensor:
        """States per base, (B, L, d) or (B, L, 2 d), as the head takes them."""
        return self.head.per_base(*self.backbone.strands(ids))

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        return self.head(self.states(ids), regions)

    def states_from_prefix(self, streams: Tensor, n_blocks: int) -> Tensor:
        """`states` from what `backbone.prefix` gave for the first `n_blocks` blocks, (B, 2, L, d)."""
        return self.head.per_base(*self.backbone.both_strands(streams, n_blocks))

    def forward_one_hot(self, x: Tensor, regions: Tensor) -> Tensor:
        """The same from weights over the vocabulary (B, L, vocab), differentiable in them."""
        return self.head(self.head.per_base(*self.backbone.strands_one_hot(x)), regions)


def save_classifier(model: WindowClassifier, folder: Path | str) -> None:
    """Write the backbone in the format of its architecture, and the head beside it, into `folder`."""
    from safetensors.torch import save

    with write_aside(folder) as aside:
        aside.mkdir()
        with torch.device("meta"):  # a shell for the backbone, which draws no random numbers
            language_model = new_backbone(model.backbone.config)
        language_model.backbone = model.backbone
        save_backbone(language_model, aside)
        head = {"hidden": model.head.n_hidden, "pooling": model.head.pooling}
        window = {} if model.window_bp is None else {"window_bp": model.window_bp}
        write_json(aside / DESCRIPTION, {"task": model.task, **head, **window})
        tensors = {name: value.detach().cpu().contiguous() for name, value in model.head.state_dict().items()}
        (aside / HEAD).write_bytes(save(tensors))


def load_classifier(folder: Path | str, dtype: torch.dtype = torch.float32) -> WindowClassifier:
    """The model of `save_classifier`; InputError where `folder` does not hold one."""
    folder = Path(folder)
    backbone = load_backbone(folder, dtype).backbone
    try:
        description = read_json(folder / DESCRIPTION)
        task, head = _described(description)
        tensors = load_tensors(folder / HEAD)
        with torch.device("meta"):  # no size claims memory before it is known to fit the file
            RegionHead(backbone.config.d_model, len(REGIONS[task]), head.hidden, head.pooling).load_state_dict(
                tensors, assign=True
            )
        require_numbers(tensors, folder / HEAD)
        model = WindowClassifier(backbone, task, head)
        model.head.load_state_dict(tensors)
        model.window_bp = _window_of(description)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: needs {DESCRIPTION} and {HEAD}; a classifier has a trained head") from error
    except InputError:
        raise
    except Exception as error:  # JSON, safetensors and torch each raise their own
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: {DESCRIPTION} and {HEAD} don't describe a head ({reason})") from error
    return model.to(dtype).eval()


def _described(description: Any) -> tuple[Task, HeadConfig]:
    task, hidden, pooling = description["task"], description["hidden"], description.get("pooling", "mean")
    if task not in list(REGIONS) or type(hidden) is not int:
        raise ValueError(f"task must be {' or '.join(REGIONS)}, hidden a number; found {task!r}, {hidden!r}")
    try:
        return task, HeadConfig(hidden, pooling)
    except InputError as error:
        raise ValueError(str(error)) from error  # the caller names the folder


def _window_of(description: Any) -> int | None:
    """Bases of the training windows; None for a classifier that was saved before they were noted."""
    found: Any = description.get("window_bp")
    if found is not None and (type(found) is not int or found < 1):
        raise ValueError(f"window_bp must be a number from 1, found {found!r}")
    return found
