"""Layer-wise relevance propagation through Caduceus and its head, conserving relevance from the logit to the bases.

Every rule is a detached factor: after it, each step is homogeneous of degree one in what still depends on the input, so
the gradient times the input adds up to the output (Euler). What cannot be passed on is the share of the biases, which
is counted. |v_E - v_P|, ReLU, means and linear maps are homogeneous as they are.

Source: Rezaei Jafari et al., "MambaLRP: explaining selective state space sequence models", NeurIPS 2024; here also
through both strands, LayerNorm and the pair head.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.dna.data.tokens import BASES, VOCAB_SIZE
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.models.caduceus.operations import Operations, replaced_operations

RULES = ("silu", "norm", "scan", "product")
KINDS = ("convolution", "norm", "head", "mask")
Score = Callable[[Tensor], Tensor]
"""One-hot tokens (B, L, vocab) -> one number per sequence (B,)."""


class LrpOperations(Operations):
    """The network's values with LRP's gradients; rules not in `rules` are left out, for ablations.

    kind_of: id of a bias -> kind of its place, one of KINDS
    absorbed: (kind, copy of the bias per sequence) of every bias that was added
    """

    def __init__(self, kind_of: dict[int, str], rules: Collection[str] = RULES) -> None:
        super().__init__()
        unknown = sorted(set(rules) - set(RULES))
        if unknown:
            raise ValueError(f"no rule {unknown[0]!r}; there are {', '.join(RULES)}")
        self.kind_of, self.rules = kind_of, frozenset(rules)
        self.absorbed: list[tuple[str, Tensor]] = []

    def silu(self, x: Tensor) -> Tensor:
        """x times its sigmoid, which is held fixed."""
        return x * torch.sigmoid(x).detach() if "silu" in self.rules else super().silu(x)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """The scale is held fixed."""
        if "norm" not in self.rules:
            return super().rms_norm(x, weight, eps)
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps).detach() * weight

    def layer_norm(self, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        """The scale is held fixed; subtracting the mean is linear, and the bias absorbs its share."""
        x = x - x.mean(-1, keepdim=True)
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
        return self.add_bias(x * (scale.detach() if "norm" in self.rules else scale) * weight, bias)

    def add_bias(self, x: Tensor, bias: Tensor) -> Tensor:
        """bias (D,) for all sequences, or (B, ..., D) of their own."""
        per_sequence = bias.expand(len(x), *[1] * (x.dim() - 2), -1) if bias.dim() == 1 else bias
        copy = per_sequence.detach().clone().requires_grad_()
        self.absorbed.append((self.kind_of.get(id(bias), "mask"), copy))
        return x + copy

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Half of the relevance to either factor."""
        y = a * b
        return y / 2 + y.detach() / 2 if "product" in self.rules else y

    def scan(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool) -> Tensor:
        """The input-dependent rates are held fixed, which leaves a linear filter of u."""
        if "scan" in self.rules:
            delta, A, B, C = (value.detach() for value in (delta, A, B, C))
        return super().scan(u, delta, A, B, C, D, reverse)


@dataclass(frozen=True)
class Relevance:
    """Shares in the score of B sequences of L tokens.

    score: (B,)
    tokens: (B, L) of each token, N and special tokens included
    hypothetical: (B, L, 4) what A, C, G, T would get in the token's place if all that flows back stayed as it is:
        their embedding times the gradient there, on both strands. Zero where the token is no base; where it is one,
        its own entry is its relevance
    absorbed: (B,) by kind of bias: convolution (of the backbone), norm (LayerNorm), head, mask ([MASK] put in by a
        score)
    """

    score: Tensor
    tokens: Tensor
    hypothetical: Tensor
    absorbed: dict[str, Tensor]

    @property
    def conv_bias(self) -> Tensor:
        return self.absorbed["convolution"]

    @property
    def head_bias(self) -> Tensor:
        return self.absorbed["head"]

    @property
    def total(self) -> Tensor:
        """All that was shared out, (B,): the score where relevance is conserved."""
        return self.tokens.sum(-1) + torch.stack(list(self.absorbed.values())).sum(0)


def one_hot_tokens(model: nn.Module, ids: Tensor) -> Tensor:
    """Tokens (B, L) one-hot over the model's vocabulary in its dtype, (B, L, vocab)."""
    sizes = [part.num_embeddings for part in model.modules() if isinstance(part, nn.Embedding)]
    return F.one_hot(ids, sizes[0] if sizes else VOCAB_SIZE).to(next(model.parameters()).dtype)


def known_bases(ids: Tensor) -> Tensor:
    """Where a token (B, L) is A, C, G or T."""
    return (ids >= BASES[0]) & (ids <= BASES[-1])


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Only inputs need gradients inside the block."""
    before = [parameter.requires_grad for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter, trained in zip(model.parameters(), before, strict=True):
            parameter.requires_grad_(trained)


def relevance(model: nn.Module, ids: Tensor, regions: Tensor, rules: Collection[str] = RULES) -> Relevance:
    """Relevance of ids (B, L) for what a model's `forward_one_hot(x, regions)` gives, such as a classifier's logit.

    Without any rule (`rules=()`) it is the input times its plain gradient.
    """
    if getattr(model, "context_bp", None) is not None and len(ids) > 1:
        # Pieces of one length are run together, whosever they are: the shares of biases are told apart one by one.
        found = [relevance(model, *one, rules) for one in zip(ids.split(1), regions.split(1), strict=True)]
        score, tokens, hypothetical = (
            torch.cat([getattr(one, name) for one in found]) for name in ("score", "tokens", "hypothetical")
        )
        absorbed = {kind: torch.cat([one.absorbed[kind] for one in found]) for kind in KINDS}
        return Relevance(score, tokens, hypothetical, absorbed)
    return relevance_of(model, lambda x: model.forward_one_hot(x, regions), ids, rules)  # type: ignore[operator]


def relevance_of(network: nn.Module, score: Score, ids: Tensor, rules: Collection[str] = RULES) -> Relevance:
    """Relevance of ids (B, L) for any `score` computed through `network`; each score may depend on its sequence alone.

    Raises InputError where the projections of the mixers have biases, whose relevance would go uncounted.
    """
    x = one_hot_tokens(network, ids).requires_grad_()
    operations = LrpOperations(_kinds(network), rules)
    with frozen(network), replaced_operations(network, operations):
        value = score(x)
        absorbers = list(operations.absorbed)  # those of blocks that are computed again come on top
        copies = [copy for _, copy in absorbers]
        gradient, *others = torch.autograd.grad(value.sum(), [x, *copies], materialize_grads=True)
    absorbed = {kind: torch.zeros_like(value) for kind in KINDS}
    for (kind, copy), of_copy in zip(absorbers, others, strict=True):
        # A sequence's strands, and further passes, are consecutive rows.
        absorbed[kind] += (copy * of_copy).detach().reshape(len(ids), -1).sum(1)
    return Relevance(
        score=value.detach(),
        tokens=(x * gradient).sum(-1).detach(),
        hypothetical=gradient[..., list(BASES)] * known_bases(ids).unsqueeze(-1),
        absorbed={kind: value.detach() for kind, value in absorbed.items()},
    )


def lrp(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """Layer-wise relevance propagation, as one of `METHODS`."""
    return relevance(model, ids, regions).hypothetical


def _kinds(network: nn.Module) -> dict[int, str]:
    kinds = {}
    for name, parameter in network.named_parameters():
        if name.endswith(("in_proj.bias", "out_proj.bias")):
            raise InputError(f"{name}: LRP does not cover biases of the mixers' projections (ssm_cfg.bias)")
        if name.endswith("bias"):
            kinds[id(parameter)] = "convolution" if ".conv1d." in name else "norm" if "norm" in name else "head"
    return kinds
