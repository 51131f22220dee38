"""Draw every figure, check the models by the rules of promotion and write the report -> reports/report.html."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from contactlens.base.files import read_json, write_aside, write_json
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.report.inputs import DnaReportInputs
from contactlens.dna.report.sections import dna_report
from contactlens.ops.params import Params, load_params
from contactlens.ops.report import write_report
from contactlens.ops.runs.provenance import dvc_hash
from contactlens.ops.stage import stage
from contactlens.ops.workspace import branches_of
from contactlens.reporting.blocks import Report
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.report.inputs import ReportInputs
from contactlens.tracks.report.sections import tracks_report

REPORTS = Path("reports")


def provenance(source: str, branch: str, model: str, seed: int, section: object) -> dict[str, str]:
    return {
        "data": f"{source}, DVC hash {dvc_hash(f'data/{branch}')}",
        "model": f"DVC hash {dvc_hash(f'models/{branch}/{model}')}",
        "seed": str(seed),
        "parameters": json.dumps(section, sort_keys=True),
    }


def tracks_part(params: Params, reports: Path, figures: Path) -> Report:
    tracks = TrackSet.read("data/tracks")
    rules = params.tracks.rules
    decision = rules.decide(read_json(reports / "metrics.json"), champion=None)
    write_json(reports / "promotion_rules.json", asdict(decision))
    inputs = ReportInputs.of(tracks, reports, figures, decision.reasons, rules.evaluated)
    origin = provenance(tracks.source, "tracks", "model.safetensors", params.seed, asdict(params.tracks))
    return tracks_report(inputs, f"{params.tracks.task} on {tracks.source} tracks", origin)


def dna_part(params: Params, reports: Path, figures: Path) -> Report:
    windows = WindowSet.read("data/dna")
    reasons = read_json("models/dna/champion/champion.json")["reasons"]
    splits = read_json("models/dna/splits.json")
    inputs = DnaReportInputs.of(windows, reports, figures, params.dna.motifs, splits, reasons)
    origin = provenance(windows.source, "dna", "classifier", params.seed, asdict(params.dna))
    return dna_report(inputs, f"{windows.task} windows, {windows.source}", origin)


PARTS: dict[str, Callable[[Params, Path, Path], Report]] = {"tracks": tracks_part, "dna": dna_part}


def main() -> None:
    params, branches = load_params(), branches_of()
    with ExitStack() as opened:
        figures = [opened.enter_context(write_aside(REPORTS / branch / "figures")) for branch in branches]
        for folder in figures:
            folder.mkdir()
        pool = opened.enter_context(ProcessPoolExecutor(len(branches), get_context("fork")))  # all is imported already
        drawn = [
            pool.submit(PARTS[branch], params, REPORTS / branch, folder)
            for branch, folder in zip(branches, figures, strict=True)
        ]
        write_report([part.result() for part in drawn], REPORTS / "report.html")


if __name__ == "__main__":
    stage(main)
