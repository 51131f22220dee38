"""TF-MoDISco on the attributions of the champion, or of the candidate where there is none, and the database's names for
what it finds -> reports/dna/motifs. Where the candidate is another model than the champion, it is the challenger: its
attributions are searched as well -> motifs/challenger, and the patterns of both compared -> motifs/comparison.csv.
"""

from pathlib import Path

from contactlens.base.files import read_json, write_aside
from contactlens.dna.data.genome_tracks import chromosome_sizes
from contactlens.dna.data.motif_database import jaspar_core
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import read_attributions_by
from contactlens.dna.explanation.checks import read_checks, usable_method
from contactlens.dna.motifs.analysis import analyse_motifs, write_motifs
from contactlens.dna.motifs.compare import compare_patterns, comparison_sentence
from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.discover import Discovery
from contactlens.ops.params import load_params
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage

CHAMPION, OUT = Path("models/dna/champion"), "reports/dna/motifs"
CANDIDATE, WINDOWS, REGISTERED = Path("reports/dna"), Path("data/dna"), "models/dna/registered.json"
ATTRIBUTIONS = "attributions.npz"
INPUTS: list[Path | str] = [CHAMPION, REGISTERED, CANDIDATE / ATTRIBUTIONS, CANDIDATE / "method_checks.csv", WINDOWS]


def analysed(model: Path, windows: Path, config: MotifConfig, seed: int, out: Path) -> Discovery:
    """The patterns in the attributions that lie in the folder `model`, of windows in the folder `windows`; the tables
    of the analysis -> the new folder `out`."""
    out.mkdir()
    method, refused = usable_method(config.method, read_checks(model))
    for sentence in refused:
        print(f"{sentence}; {method} takes its place")
    contributions = read_attributions_by(model / ATTRIBUTIONS, method)
    own = WindowSet.read(windows).select([str(name) for name in contributions.window_ids])
    found = analyse_motifs(contributions, own.windows, own.planted, config, seed, out / "modisco.h5")
    write_motifs(found, contributions, own.windows, chromosome_sizes(own), out)
    return found.discovery


def main() -> None:
    params = load_params()
    config, seed = params.dna.motifs, params.seed
    with write_aside(OUT) as aside:
        found = {"champion": analysed(CHAMPION, CHAMPION / "windows", config, seed, aside)}
        champion = read_json(CHAMPION / "champion.json")["champion"]
        if champion is not None and champion != read_json(REGISTERED)["content_hash"]:
            found["challenger"] = analysed(CANDIDATE, WINDOWS, config, seed, aside / "challenger")
            table = compare_patterns(found, jaspar_core(), config, seed)
            table.to_csv(aside / "comparison.csv", index=False, lineterminator="\n", float_format="%.6g")
            print(comparison_sentence(table))
    with stage_run("motifs", params.dna.motifs, provenance(params.seed, INPUTS), "dna") as run:
        run.client.log_artifacts(run.run_id, OUT, "motifs")


if __name__ == "__main__":
    stage(main)
