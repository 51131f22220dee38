"""How long `import contactlens` and `contactlens ... --help` take from the shell, beside an idle interpreter.

    python benchmarks/cli_start.py [--repeats 15]

Wall time of whole processes, taken in turn so that other load hits all alike; the least is what an idle machine gives.
"""

import argparse
import subprocess
import sys
import time

PAGES = {
    "python -c pass": ["-c", "pass"],
    "import contactlens": ["-c", "import contactlens"],
    "contactlens --help": ["-m", "contactlens.cli.main", "--help"],
    "contactlens tracks --help": ["-m", "contactlens.cli.main", "tracks", "--help"],
    "contactlens dna --help": ["-m", "contactlens.cli.main", "dna", "--help"],
}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    taken: dict[str, list[float]] = {name: [] for name in PAGES}
    for _ in range(repeats):
        for name, arguments in PAGES.items():
            taken[name].append(seconds(arguments))
    for name, times in taken.items():
        print(f"{name:28}{min(times):6.2f} s, median {sorted(times)[repeats // 2]:.2f} s of {repeats}")


if __name__ == "__main__":
    main()
