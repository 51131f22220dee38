"""TF-MoDISco on the attributions of the champion, or of the candidate where there is none, and the database's names for
what it finds -> reports/dna/motifs.
"""

from pathlib import Path

from contactlens.base.files import write_aside
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import read_attributions_by
from contactlens.dna.explanation.checks import read_checks, usable_method
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
        windows = WindowSet.read(CHAMPION / "windows")
        method, refused = usable_method(params.dna.motifs.method, read_checks(CHAMPION))
        for sentence in refused:
            print(f"{sentence}; {method} takes its place")
        contributions = read_attributions_by(CHAMPION / "attributions.npz", method)
        found = analyse_motifs(contributions, windows, params.dna.motifs, params.seed, aside / "modisco.h5")
        write_motifs(found, contributions, windows, aside)
    with stage_run("motifs", params.dna.motifs, provenance(params.seed, INPUTS), "dna") as run:
        run.client.log_artifacts(run.run_id, OUT, "motifs")


if __name__ == "__main__":
    stage(main)
