"""The classifier of windows: a backbone under a head over regions, invariant under reverse complement."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_aside, write_json
from contactlens.dna.data.batch import REGIONS
from contactlens.dna.data.names import Task
from contactlens.dna.models.backbone import load_backbone, new_backbone, save_backbone
from contactlens.dna.models.caduceus.checkpoint import load_tensors, require_numbers
from contactlens.dna.models.caduceus.strands import StrandBackbone
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.models.pair_head import RegionHead, towards_promoter
from contactlens.dna.models.pieces import Pieces, pieces_of

DESCRIPTION, HEAD = "classifier.json", "head.safetensors"
States = Callable[[Pieces | None], Tensor]
"""States of the bases of pieces (n, P, d), or, of None, of whole windows (B, L, d); twice d where strands are apart."""


class WindowClassifier(nn.Module):
    """Token ids (B, L) and regions (B, R, L) -> logit (B,).

    The state of a base is what the network says of it on either strand, each at the base's own place and in the same
    order of channels. A window and its reverse complement then have exchanged and mirrored states whatever the
    backbone: `rcps` models give both strands at once, `ph` ones are run on both.

    context_bp: bases on either side of an element that the backbone sees with it, every element by itself (of one
        region all is seen anyhow); None for whole windows. A score then does not depend on any other base.
    """

    def __init__(self, backbone: StrandBackbone, task: Task, head: HeadConfig, context_bp: int | None = None) -> None:
        super().__init__()
        self.task = task
        self.context_bp = context_bp
        self.window_bp: int | None = None  # bases of every window it was trained on, once it was
        self.backbone = backbone
        self.head = RegionHead(backbone.config.d_model, len(REGIONS[task]), head)

    def states(self, ids: Tensor) -> Tensor:
        """States per base, (B, L, d) or (B, L, 2 d), as the head takes them."""
        return self.head.per_base(*self.backbone.strands(ids))

    def pooled(self, regions: Tensor, states: States) -> Tensor:
        """What the head takes of each region, (B, R, C), from the states of what is seen."""
        if self.context_bp is None:
            return self.head.pooled(states(None), regions)
        direction = towards_promoter(regions) if self.head.pooling == "directed" else None
        pooled = self.head.gain.new_zeros((*regions.shape[:2], len(self.head.gain)))
        for pieces in pieces_of(regions, self.context_bp):
            of_window = None if direction is None else direction[pieces.window]
            own = self.head.pooled(states(pieces), pieces.inside(regions), of_window)  # (n, 1, C)
            pooled = pooled.to(own.dtype).index_put((pieces.window, pieces.element), own.squeeze(1))
        return pooled

    def pooled_tokens(self, ids: Tensor, regions: Tensor) -> Tensor:
        """`pooled` of token ids (B, L)."""
        return self.pooled(regions, lambda pieces: self.states(ids if pieces is None else pieces.of(ids)))

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        return self.head.score(self.pooled_tokens(ids, regions))

    def states_from_prefix(self, streams: Tensor, n_blocks: int) -> Tensor:
        """`states` from what `backbone.prefix` gave for the first `n_blocks` blocks, (B, 2, L, d)."""
        return self.head.per_base(*self.backbone.both_strands(streams, n_blocks))

    def forward_one_hot(self, x: Tensor, regions: Tensor) -> Tensor:
        """The same from weights over the vocabulary (B, L, vocab), differentiable in them."""

        def states(pieces: Pieces | None) -> Tensor:
            return self.head.per_base(*self.backbone.strands_one_hot(x if pieces is None else pieces.of(x)))

        return self.head.score(self.pooled(regions, states))


def save_classifier(model: WindowClassifier, folder: Path | str) -> None:
    """Write the backbone in the format of its architecture, and the head beside it, into `folder`."""
    from safetensors.torch import save

    with write_aside(folder) as aside:
        aside.mkdir()
        with torch.device("meta"):  # a shell for the backbone, which draws no random numbers
            language_model = new_backbone(model.backbone.config)
        language_model.backbone = model.backbone
        save_backbone(language_model, aside)
        head = asdict(model.head.config)
        lengths = {"window_bp": model.window_bp, "context_bp": model.context_bp}
        known = {name: length for name, length in lengths.items() if length is not None}
        write_json(aside / DESCRIPTION, {"task": model.task, **head, **known})
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
            RegionHead(backbone.config.d_model, len(REGIONS[task]), head).load_state_dict(tensors, assign=True)
        require_numbers(tensors, folder / HEAD)
        model = WindowClassifier(backbone, task, head, _length_of(description, "context_bp", 0))
        model.head.load_state_dict(tensors)
        model.window_bp = _length_of(description, "window_bp", 1)
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
    detectors = description.get("detectors", 0)
    if task not in list(REGIONS) or type(hidden) is not int or type(detectors) is not int:
        found = f"{task!r}, {hidden!r}, {detectors!r}"
        raise ValueError(f"task must be {' or '.join(REGIONS)}, hidden and detectors numbers; found {found}")
    try:
        return task, HeadConfig(hidden, pooling, detectors)
    except InputError as error:
        raise ValueError(str(error)) from error  # the caller names the folder


def _length_of(description: Any, name: str, least: int) -> int | None:
    """`window_bp` or `context_bp`; None where it is not noted, as of a classifier that was saved before it was."""
    found: Any = description.get(name)
    if found is not None and (type(found) is not int or found < least):
        raise ValueError(f"{name} must be a number from {least}, found {found!r}")
    return found
