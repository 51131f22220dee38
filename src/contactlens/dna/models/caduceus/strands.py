"""A network over single strands that reads both: what every backbone is, whatever its blocks.

B = sequences, L = positions, d = d_model; a hidden state of an rcps model has 2 d channels.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from contactlens.dna.models.caduceus.operations import UsesOperations

RECOMPUTE_FROM = 2**24  # a strand of 65,536 bp at d_model 256


class StrandConfig(Protocol):
    """What a backbone's config.json says, of which these are read here.

    rcps: equivariant under reverse complement; complement_map: token -> token on the other strand
    rms_norm, norm_epsilon: of `Norm`; residual_in_fp32: precision of the residual stream
    """

    @property
    def d_model(self) -> int: ...
    @property
    def n_layer(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def complement_map(self) -> Sequence[int]: ...
    @property
    def rcps(self) -> bool: ...
    @property
    def rms_norm(self) -> bool: ...
    @property
    def norm_epsilon(self) -> float: ...
    @property
    def residual_in_fp32(self) -> bool: ...
    def to_mapping(self) -> dict[str, Any]: ...


def rc_flip(h: Tensor) -> Tensor:
    """Length and channels reversed: how a state of one strand is written on the other."""
    return h.flip(1, 2)


class Norm(nn.Module, UsesOperations):
    """RMSNorm or LayerNorm over channels."""

    def __init__(self, config: StrandConfig) -> None:
        super().__init__()
        self.eps = config.norm_epsilon
        self.weight = nn.Parameter(torch.ones(config.d_model))
        self.bias = None if config.rms_norm else nn.Parameter(torch.zeros(config.d_model))

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        if self.bias is None:
            return self.operations.rms_norm(x, self.weight, self.eps)
        return self.operations.layer_norm(x, self.weight, self.bias, self.eps)


class StrandBackbone(nn.Module, ABC):
    """Token ids (B, L) -> last hidden states (B, L, 2 d) for `rcps`, else (B, L, d).

    A subclass says what a block is (`block`) and how weights start (`initialise`). An rcps model applies one network to
    both strands, so it is computed as one batch of 2 B single strands (`strand`), from which the published layout of
    channels follows (`join`).

    recompute_from: from this many numbers in the residual stream (strands x L x d) on, a backward pass computes each
        block again from its input rather than keep what is inside: a third more time, and memory for one block in
        place of all. The values stay the same.
    """

    complement: Tensor
    recompute_from: int = RECOMPUTE_FROM

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(self.block(config, i) for i in range(config.n_layer))
        self.norm_f = Norm(config)
        self.register_buffer("complement", torch.tensor(config.complement_map), persistent=False)
        self.initialise()

    @abstractmethod
    def block(self, config: Any, i: int) -> nn.Module:
        """Block `i`: residual stream (B, L, d) -> what is added to it."""

    def initialise(self) -> None:
        """Draw the weights anew, where they don't start as torch draws them."""

    @property
    def swaps(self) -> bool:
        """Whether every block exchanges the strands."""
        return False

    @property
    def ends_swapped(self) -> bool:
        """Whether they are exchanged after the last block: a single strand then ends mirrored, last position first."""
        return self.swaps and self.config.n_layer % 2 == 1

    def stages(self, stream: Tensor, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """(mixer output, residual) (B, L, d) of each block from `first` on, of single strands.

        stream: (B, L, d) what those blocks start from: the embeddings before block 0, else `prefix`
        """
        residual, h = stream, torch.zeros((), dtype=stream.dtype, device=stream.device)
        for block in self.layers[first:]:
            residual = residual + h
            if self.config.residual_in_fp32:
                residual = residual.float()
            if self.swaps:
                residual = rc_flip(residual)
            h = self._block(block, residual)
            yield h, residual

    def _block(self, block: nn.Module, residual: Tensor) -> Tensor:
        flows = residual.requires_grad or any(parameter.requires_grad for parameter in block.parameters())
        if torch.is_grad_enabled() and flows and residual.numel() >= self.recompute_from:
            return checkpoint(block, residual, use_reentrant=False, preserve_rng_state=False)
        return block(residual)

    def strand(self, stream: Tensor, first: int = 0) -> Tensor:
        """Single strands: what block `first` starts from (B, L, d) -> normed last states (B, L, d)."""
        h, residual = torch.zeros_like(stream), stream
        for h, residual in self.stages(stream, first):  # noqa: B007
            pass
        return self.norm_f(residual + h)

    def prefix(self, ids: Tensor, n_blocks: int) -> Tensor:
        """What block `n_blocks` starts from, for token ids (B, L) and for their reverse complement: (B, 2, L, d)."""
        embedded = torch.stack([self.embedding(ids), self.embedding(self.complement[ids].flip(1))], dim=1)
        start = embedded.flatten(0, 1)
        h, residual = torch.zeros_like(start), start
        for h, residual in islice(self.stages(start), n_blocks):  # noqa: B007
            pass
        return (residual + h).unflatten(0, embedded.shape[:2])

    def embed(self, one_hot: Tensor) -> Tensor:
        """Embeddings (..., d) of tokens, or mixtures of tokens, as weights over the vocabulary (..., vocab)."""
        return one_hot @ self.embedding.weight

    def both_strands(self, streams: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
        """Last states of a sequence and of its reverse complement, both (B, L, d) and both at the base's own place.

        streams: (B, 2, L, d), what block `first` starts from on either strand, as `prefix` gives it
        """
        forward, reverse = self.strand(streams.flatten(0, 1), first).unflatten(0, streams.shape[:2]).unbind(1)
        return (forward.flip(1), reverse) if self.ends_swapped else (forward, reverse.flip(1))

    def strands(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """`both_strands` of token ids (B, L), whether the model is an rcps one or not."""
        return self.both_strands(self.prefix(ids, 0))

    def strands_one_hot(self, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """`strands` of weights over the vocabulary (B, L, vocab), differentiable in them."""
        other = one_hot[..., self.complement].flip(1)
        return self.both_strands(self.embed(torch.stack([one_hot, other], dim=1)))

    def join(self, forward: Tensor, reverse: Tensor) -> Tensor:
        """Two strands' states as `both_strands` gives them -> (B, L, 2 d) in the published layout."""
        first, second = (reverse, forward) if self.ends_swapped else (forward, reverse)
        return torch.cat([first, second.flip(2)], dim=-1)

    def embeddings(self, ids: Tensor) -> Tensor:
        """Output of the embedding layer in the published layout: (B, L, 2 d) for rcps, else (B, L, d)."""
        forward = self.embedding(ids)
        return torch.cat([forward, self.embedding(self.complement[ids]).flip(2)], -1) if self.config.rcps else forward

    def forward(self, ids: Tensor | None = None, embeddings: Tensor | None = None) -> Tensor:
        """Last hidden states of token ids (B, L), or of the embedding layer's output given in their place."""
        if embeddings is None:
            if ids is None:
                raise ValueError("give ids or embeddings")
            embeddings = self.embeddings(ids)
        if not self.config.rcps:
            return self.strand(embeddings)
        first, second = embeddings.chunk(2, dim=-1)
        return self.join(*self.both_strands(torch.stack([first, rc_flip(second)], dim=1)))


class MaskedLanguageModel(nn.Module):
    """A backbone with its language-model head, whose weights are those of the embedding."""

    def __init__(self, backbone: StrandBackbone) -> None:
        super().__init__()
        self.config = backbone.config
        self.backbone = backbone

    def head(self, hidden: Tensor) -> Tensor:
        """Last hidden states -> logits (B, L, vocab); an rcps model adds what both strands say."""
        weight = self.backbone.embedding.weight
        if not self.config.rcps:
            return hidden @ weight.T
        first, second = hidden.chunk(2, dim=-1)
        return first @ weight.T + second.flip(2) @ weight[self.backbone.complement].T

    def forward(self, ids: Tensor | None = None, embeddings: Tensor | None = None) -> Tensor:
        return self.head(self.backbone(ids, embeddings))
