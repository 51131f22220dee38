"""TF-MoDISco on the champion's attributions, and the database's names for what it finds -> reports/dna/motifs."""

from pathlib import Path

from contactlens.base.files import read_json, write_aside, write_json
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import read_attributions_by
from contactlens.dna.motifs.analysis import analyse_motifs, write_motifs
from contactlens.ops.params import load_params
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage

CHAMPION, OUT = Path("models/dna/champion"), "reports/dna/motifs"
INPUTS = [CHAMPION]


def main() -> None:
    params = load_params()
    with write_aside(OUT) as aside:
        aside.mkdir()
        if read_json(CHAMPION / "champion.json")["champion"] is None:
            write_json(aside / "summary.json", {"patterns": 0, "reason": "no model has been promoted"})
            return
        windows = WindowSet.read(CHAMPION / "windows")
        contributions = read_attributions_by(CHAMPION / "attributions.npz", params.dna.motifs.method)
        found = analyse_motifs(contributions, windows, params.dna.motifs, params.seed, aside / "modisco.h5")
        write_motifs(found, contributions, windows, aside)
    with stage_run("motifs", params.dna.motifs, provenance(params.seed, INPUTS), "dna") as run:
        run.client.log_artifacts(run.run_id, OUT, "motifs")


if __name__ == "__main__":
    stage(main)
