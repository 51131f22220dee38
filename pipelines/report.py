"""Draw every figure, judge the model by the rules of promotion and write the report -> reports/report.html."""

import json
from dataclasses import asdict
from pathlib import Path

from contactlens.files import read_json, write_aside, write_json
from contactlens.ops.params import load_params
from contactlens.ops.provenance import dvc_hash
from contactlens.ops.registry_rules import decide
from contactlens.ops.report import write_report
from contactlens.ops.stage import stage
from contactlens.tracks.report_inputs import ReportInputs
from contactlens.tracks.report_sections import tracks_report
from contactlens.tracks.track_set import TrackSet

REPORTS = Path("reports/tracks")


def main() -> None:
    params = load_params()
    tracks = TrackSet.read("data/tracks")
    decision = decide(read_json(REPORTS / "metrics.json"), params.tracks.promotion, champion_nll=None)
    write_json(REPORTS / "promotion_rules.json", asdict(decision))
    provenance = {
        "data": f"{tracks.source}, DVC hash {dvc_hash('data/tracks')}",
        "model": f"DVC hash {dvc_hash('models/tracks/model.safetensors')}",
        "seed": str(params.seed),
        "parameters": json.dumps(asdict(params.tracks), sort_keys=True),
    }
    with write_aside(REPORTS / "figures") as figures:
        figures.mkdir()
        inputs = ReportInputs.of(tracks, REPORTS, figures, promotion_reasons=decision.reasons)
        report = tracks_report(inputs, f"{params.tracks.task} on {tracks.source} tracks", provenance)
        write_report(report, "reports/report.html")


if __name__ == "__main__":
    stage(main)
