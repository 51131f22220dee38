"""The parts of the DNA report that explain: which bases and motifs the model relies on, and whether to believe it."""

import pandas as pd

from contactlens.dna.data.motif_database import motif
from contactlens.dna.explanation.checks import refusal_of, refusals
from contactlens.dna.motifs.compare import comparison_sentence
from contactlens.dna.motifs.discover import why_no_motif
from contactlens.dna.report.captions import caption
from contactlens.dna.report.figures import attribution, helix, helix_html, trust
from contactlens.dna.report.figures.motifs import motif_figure, motif_frame
from contactlens.dna.report.figures.places import element_spans
from contactlens.dna.report.figures.trust import RANDOM, explained, name_of
from contactlens.dna.report.inputs import DnaReportInputs
from contactlens.reporting.blocks import Block, HtmlBlock, TableBlock, TextBlock
from contactlens.reporting.tables import with_interval

ZOOM_BP = 80
MOST_REGIONS = 200
MOST_PATTERNS = 6
HELIX_HEIGHT_PX = 520


def attribution_section(inputs: DnaReportInputs) -> list[Block]:
    found, window = inputs.contributions, inputs.most_probable()
    if found is None or window is None:
        return []
    method, known = name_of(inputs.method), inputs.windows.planted is not None
    spread = attribution.distribution_frame(found, inputs.windows)
    zoom = attribution.zoom_frame(found, inputs.windows, window, ZOOM_BP)
    regions = attribution.region_frame(found, inputs.windows, most=MOST_REGIONS)
    planted = " of planted bases" if known else ""
    text = caption("distribution", method=method, planted=planted)
    blocks = [inputs.figure("distribution", attribution.distribution_figure(spread), spread, text)]
    text = caption("zoom", window=window, method=method, planted="; planted sites are marked" if known else "")
    blocks.append(inputs.figure("zoom", attribution.zoom_figure(zoom, window), zoom, text))
    flank = "" if inputs.windows.task == "region" else ", with 100 bp on either side"
    text = caption("regions", n=regions["window_id"].nunique(), flank=flank)
    blocks.append(inputs.figure("regions", attribution.region_figure(regions), regions, text))
    return list(blocks)


def helix_section(inputs: DnaReportInputs) -> list[Block]:
    found, window = inputs.contributions, inputs.most_probable()
    if found is None or window is None:
        return []
    one = inputs.windows.select([window])
    spans = element_spans(one)
    elements = {str(name): (int(a), int(b)) for _, name, a, b in spans.itertuples(index=False)}
    views = helix.helix_views(found.select([window]).actual[0], one.sequences()[0], elements)
    figure = helix.helix_figure(views, window)
    text = caption("helix", window=window, method=name_of(inputs.method))
    page = helix_html.helix_html(views, "helix", window)
    return [
        inputs.figure("helix", figure, helix.helix_frame(views), text),
        HtmlBlock(page, caption("helix_page"), HELIX_HEIGHT_PX),
    ]


def pattern_rows(patterns: pd.DataFrame, matches: pd.DataFrame, control: pd.DataFrame | None) -> pd.DataFrame:
    """A row a pattern: what it is, its best match with q, and the smallest q of its shuffled copies."""
    best = matches[matches["rank"] == 1][["pattern", "name", "matrix_id", "q"]]
    table = patterns.merge(best, on="pattern", how="left")
    if control is not None:
        of_pattern = control["pattern"].str.partition("~")[0]
        table["smallest q, shuffled"] = table["pattern"].map(control["q"].groupby(of_pattern).min())
    return table.rename(columns={"n_seqlets": "seqlets", "width_bp": "width (bp)", "name": "best match"})


def motif_section(inputs: DnaReportInputs) -> list[Block]:
    summary = inputs.json("motifs/summary")
    if summary is None:
        return []
    patterns, matches = inputs.table("motifs/patterns"), inputs.table("motifs/tomtom")
    reason = f"{str(summary['reason']).capitalize()}." if summary["reason"] else ""
    if patterns is None or matches is None:
        return [TextBlock(why_no_motif(summary["reason"], summary.get("failed", False)))]
    targets = [motif(matrix_id) for matrix_id in matches.loc[matches["rank"] == 1, "matrix_id"].unique()]
    frame = motif_frame(inputs.discovery(), matches, targets, MOST_PATTERNS)
    control, recovery = inputs.table("motifs/tomtom_random"), inputs.table("motifs/recovery")
    formats = {"q": ".1e", "smallest q, shuffled": ".1e", "contribution": ".3f"}
    blocks: list[Block] = [
        inputs.figure("motifs", motif_figure(frame, inputs.max_q), frame, caption("motifs", max_q=inputs.max_q)),
        TableBlock(pattern_rows(patterns, matches, control), caption("patterns"), formats),
    ]
    if control is not None:
        blocks.append(TextBlock(_by_chance(control, inputs.max_q)))
    compared = inputs.table("motifs/comparison")
    if compared is not None:
        blocks.append(TextBlock(comparison_sentence(compared)))
        blocks.append(TableBlock(compared, caption("compared_patterns"), {"q": ".1e", "smallest q, shuffled": ".1e"}))
    if recovery is not None:
        formats = {
            "tomtom_q": ".1e",
            "rank": ".0f",
            "recall": ".2f",
            "precision": ".2f",
            "hit_recall": ".2f",
            "hit_precision": ".2f",
        }
        blocks.append(TableBlock(recovery, caption("recovery"), formats))
    return [*blocks, TextBlock(reason)] if reason else blocks


def _by_chance(control: pd.DataFrame, max_q: float) -> str:
    hits = int((control["q"] <= max_q).sum())
    return (
        f"Of {len(control)} patterns with shuffled columns, the control, {hits} match a motif of the database with q "
        f"of {max_q:g} or less."
    )


def faithfulness_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A row a metric, its permuted control below it; a column a method, the random order last; with intervals."""
    permuted = scores["control"] & (scores["method"] != RANDOM)
    metric = scores["metric"].map(name_of) + permuted.map({True: ", permuted", False: ""})
    rows = scores.assign(cell=with_interval(scores), metric=metric)
    order = [method for method in [*explained(scores), RANDOM] if method in set(scores["method"])]
    table = rows.set_index(["metric", "method"])["cell"].unstack("method", sort=False)[order]  # noqa: PD010
    plainly = dict.fromkeys(scores["metric"].map(name_of))
    both = [name for metric in plainly for name in (metric, f"{metric}, permuted") if name in table.index]
    return table.loc[both].rename(columns=name_of).reset_index().rename_axis(columns=None)


def conservation_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a variant: windows, and median and largest relative gap. frame: `conservation_frame`."""
    gaps = frame.groupby("method", sort=False)["relative_gap"].agg(["size", "median", "max"]).reset_index()
    gaps["method"] = gaps["method"].map(name_of)
    return gaps.rename(columns={"size": "windows", "max": "largest"})


def check_rows(checks: pd.DataFrame) -> pd.DataFrame:
    """A row a method that has a reference: what it misses, and where the reference's logit lies."""
    rows = checks.assign(
        method=checks["method"].map(name_of),
        windows=[f"{low:.3g} to {high:.3g}" for low, high in checks[["lowest_logit", "highest_logit"]].to_numpy()],
        verdict=["refused" if why else "used" for why in refusal_of(checks).values()],
    )
    names = {
        "completeness_error": "missed share of the change",
        "reference_logit": "logit of the reference",
        "windows": "logits of windows",
    }
    rows = rows[rows["reference_logit"].notna()]
    return rows[["method", *names, "verdict"]].rename(columns=names)


def _checked(checks: pd.DataFrame) -> list[Block]:
    rows, refused = check_rows(checks), refusals(checks)
    formats = {"missed share of the change": ".1%", "logit of the reference": ".3g"}
    blocks: list[Block] = [TextBlock(f"{name_of(sentence)}.") for sentence in refused]
    return blocks if rows.empty else [*blocks, TableBlock(rows, caption("method_checks"), formats)]


def faithfulness_section(inputs: DnaReportInputs) -> list[Block]:
    curves, scores, conservation = (inputs.table(name) for name in ("curves", "faithfulness", "conservation"))
    checks = inputs.table("method_checks")
    blocks: list[Block] = [] if checks is None else _checked(checks)
    if curves is not None:
        blocks.append(inputs.figure("deletion", trust.curves_figure(curves), curves, caption("deletion")))
    if scores is not None:
        figure = trust.faithfulness_figure(scores)
        blocks.append(inputs.figure("faithfulness", figure, scores, caption("faithfulness")))
        blocks.append(TableBlock(faithfulness_table(scores), caption("faithfulness_table")))
    if conservation is not None:
        frame = trust.conservation_frame(conservation)
        figure = trust.conservation_figure(frame)
        blocks.append(inputs.figure("conservation", figure, frame, caption("conservation")))
        formats = {"median": ".1e", "largest": ".1e"}
        blocks.append(TableBlock(conservation_rows(frame), caption("conservation_table"), formats))
    return blocks
