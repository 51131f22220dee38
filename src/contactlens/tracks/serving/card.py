"""The card of a model of tracks: what it was trained on, how well it does, and where it must not be used."""

from collections.abc import Mapping, Sequence

from contactlens.reporting.card import Card, looks_sentence, metric_rows
from contactlens.tracks.serving.model import TracksModel

CARD = "model_card.md"


def model_card(name: str, model: TracksModel, splits: Mapping[str, Sequence[str]], test_looks: int, origin: str) -> str:
    """Markdown. `splits`: track ids of each split; the model must have come with its description.

    test_looks: decisions of this registered model that the test split has been used for, that on this one included
    origin: the sentence that tells code and data

    The radius is told apart from the gate: a gate's midpoint is part of a predictor, no measurement.
    """
    info, described = model.info, model.described("what it was trained on")
    training = described.training
    card = Card(f"{name}: {info.task}")
    card.section(
        "What it does",
        f"Predicts the {info.target} of every frame from the {info.driver}"
        f"{' and the signal' if info.sees_signal else ''}, as a distribution. What is served is `{info.evaluated}`, the"
        " form that was evaluated.",
        f"- takes {', '.join(info.driver_columns)} in {info.driver_unit}, a frame every {info.frame_interval_s:g} s",
        "- gives P(on) and the decoded state"
        if info.target == "state"
        else f"- gives the signal in {info.signal_unit}",
        "- tracks of any length; missing frames are left out of the table",
    )
    shares = ", ".join(f"{split} {len(ids):,}" for split, ids in splits.items())
    card.section(
        "Data",
        f"`{training.source}`: {training.tracks:,} training tracks of {training.groups:,} groups, {training.frames:,}"
        f" frames. Split by group, in tracks: {shares}. {looks_sentence(test_looks)}",
        origin,
    )
    card.table(
        ["quantity", "unit", "5 %", "median", "95 %"],
        [
            [one.name, one.unit, *(f"{one.values[int(level * len(one.values))]:.4g}" for level in (0.05, 0.5, 0.95))]
            for one in training.quantities
        ],
    )
    card.section("How well it does", "On the test split, with intervals over tracks:")
    card.table(["metric", "estimate", "interval"], metric_rows(info.metrics))
    gate = (
        f" Its gate is half open at {info.gate_midpoint:.0f} {info.driver_unit}: a regularised part of the predictor,"
        " which moves with the regularisation and the length of training."
    )
    card.section("Contact radius", f"Not measured by this model.{gate if model.network.gated else ''}")
    card.section(
        "Limits",
        f"- Another driver, unit or frame interval than {info.frame_interval_s:g} s is refused; tracks that are"
        " interpolated to it have less noise than the training set.",
        "- Where new tracks differ from the training set more than held-out tracks did, calibration is not known.",
        f"- {_epistemic(info.networks)}",
        "- It says which moments of closeness predict the signal. That they cause it is not shown.",
    )
    return card.text()


def _epistemic(networks: int) -> str:
    if networks == 1:
        return "One network: how unsure it is of itself (epistemic) is not known."
    return (
        f"How unsure it is of itself (epistemic) is the spread of {networks} seeds: on tracks unlike the training set's"
        " all of them may be wrong alike."
    )
