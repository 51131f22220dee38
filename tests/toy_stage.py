"""A pipeline's script with a course that is known: `toy_stage.py EPOCHS PAUSE [PROCESSES]`, in tests that kill things.

Prints each epoch when it is logged and the run's id at the end. Several processes start from one, so that they log at
the same time and not one after the other.
"""

import multiprocessing
import sys
import time

from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage

METRICS = ("validation_nll", "validation_crps")


def value(epoch: int, name: str) -> float:
    return (len(name) + epoch) / 8


def train(number: int = 0) -> None:
    epochs, pause = int(sys.argv[1]), float(sys.argv[2])
    tags = {"seed": "7", "number": str(number)}
    with stage_run("toy", {"number": number}, tags, "toys") as run, run.epoch_logger() as log:
        for epoch in range(epochs):
            log({"epoch": epoch, **{name: value(epoch, name) for name in METRICS}})
            print(f"epoch {epoch}", flush=True)
            time.sleep(pause)
        run.client.log_text(run.run_id, f"number {number}", "note.txt")
    print(f"run {run.run_id}", flush=True)


def main() -> None:
    if len(sys.argv) < 4:
        return train()
    with multiprocessing.get_context("fork").Pool(int(sys.argv[3])) as pool:
        pool.map(train, range(int(sys.argv[3])), chunksize=1)
    return None


if __name__ == "__main__":
    stage(main)
