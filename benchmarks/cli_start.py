"""CPU time that the command line, `import contactlens.ops.params` and each stage take before they do anything.

    python benchmarks/cli_start.py [--repeats 5]

User and system seconds of whole processes, taken in turn so that other load hits all alike; the least of the repeats.
Of a stage, its script is run up to its `main`: what it imports when it needs it comes on top.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

STAGES = sorted((Path(__file__).parents[1] / "pipelines").glob("*.py"))
UP_TO_MAIN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='started')"
STARTS = {
    "python -c pass": ["-c", "pass"],
    "import contactlens": ["-c", "import contactlens"],
    "import contactlens.ops.params": ["-c", "import contactlens.ops.params"],
    "contactlens --help": ["-m", "contactlens.cli.main", "--help"],
    "contactlens run --help": ["-m", "contactlens.cli.main", "run", "--help"],
    "contactlens tracks radius --help": ["-m", "contactlens.cli.main", "tracks", "radius", "--help"],
    "contactlens dna --help": ["-m", "contactlens.cli.main", "dna", "--help"],
    **{f"stage {path.stem}": ["-c", UP_TO_MAIN, str(path)] for path in STAGES},
}


def cpu_seconds(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(parser.parse_args().repeats):
        for name, arguments in STARTS.items():
            taken[name].append(cpu_seconds(arguments))
    for name, seconds in taken.items():
        print(f"{name:34}{min(seconds):6.2f} s")
    of_stages = [min(seconds) for name, seconds in taken.items() if name.startswith("stage ")]
    print(f"{'all stages':34}{sum(of_stages):6.2f} s, most {max(of_stages):.2f} s")


if __name__ == "__main__":
    main()
