"""Attribute the logit of confident positives to bases, and evaluate the attributions -> attributions.npz, …"""

from contextlib import nullcontext
from pathlib import Path

from contactlens.base.files import read_json, write_aside
from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import write_attributions
from contactlens.dna.explanation.explain import explain_windows
from contactlens.dna.explanation.parts import in_turn
from contactlens.dna.models.classifier import load_classifier
from contactlens.ops.parallel import Workers, on_workers
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.training.state import kept_until_done

CHECKPOINTS = ".checkpoints/explain"  # the parts that are done, while the stage is unfinished


def main() -> None:
    with kept_until_done(CHECKPOINTS) as kept:
        explain(kept)


def explain(kept: Path) -> None:
    params = load_params()
    windows, splits = WindowSet.read("data/dna"), read_json("models/dna/splits.json")
    trainer = params.dna.fine_tune.trainer
    seed_everything(params.seed, trainer.threads)
    device, config = resolve_device(trainer.device), params.dna.explain
    model = load_classifier("models/dna/classifier").to(device)
    chosen = [window_id for name in config.splits for window_id in splits[name]]
    workers = Workers(config.workers, trainer.threads, config.gpus_per_worker if device.type == "cuda" else 0)
    with on_workers(workers, kept) if workers.count > 1 else nullcontext(in_turn) as run:
        explanation = explain_windows(model, windows, chosen, config, params.seed, kept, run)
    write_attributions("reports/dna/attributions.npz", explanation.attributions)
    for name in ("faithfulness", "curves", "conservation", "references", "method_checks"):
        with write_aside(f"reports/dna/{name}.csv") as aside:
            getattr(explanation, name).to_csv(aside, index=False)


if __name__ == "__main__":
    stage(main, lambda params: params.dna.fine_tune.trainer)
