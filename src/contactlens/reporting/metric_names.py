"""What figures and tables call a metric, and its unit."""

from contactlens.reporting.figure_style import plain

METRIC_NAMES = {"nll": "NLL", "crps": "CRPS", "mae": "MAE", "r2": "R²", "mace": "MACE", "ence": "ENCE"}
METRIC_NAMES |= {"auroc": "AUROC", "auprc": "AUPRC", "f1": "F1", "brier": "Brier score", "ece": "ECE"}
IN_SIGNAL_UNIT = {"crps", "mae", "sharpness"}


def metric_name(metric: str) -> str:
    """`coverage_90` -> "coverage 90 %", `nll` -> "NLL"."""
    if metric.startswith("coverage_"):
        return f"coverage {metric.removeprefix('coverage_')} %"
    return METRIC_NAMES.get(metric, plain(metric))


def metric_unit(metric: str, signal_unit: str) -> str:
    """The unit of a metric of `metrics.csv`; "1" where it has none."""
    if metric == "nll":
        return "nats per frame"
    if metric.startswith("coverage_"):
        return "fraction"
    return signal_unit if metric in IN_SIGNAL_UNIT else "1"
