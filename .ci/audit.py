"""Known vulnerabilities of the locked packages (pip-audit): one that is not in audit-ignore.txt fails.

Without a way to the vulnerability service it says so in one line and passes. Arguments go on to pip-audit.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 180
UNREACHED = re.compile(
    r"could not connect|network may be blocking|connectionerror|timed out|max retries exceeded"
    r"|\b(?:403|407|429) client error|\b5\d\d server error",  # a proxy's no, too many questions, a service that is down
    re.IGNORECASE,
)


def ignored() -> list[str]:
    """The ids of audit-ignore.txt; each stands on a line with the reason why."""
    lines = [line.split(maxsplit=1) for line in (HERE / "audit-ignore.txt").read_text().splitlines()]
    entries = [line for line in lines if line and not line[0].startswith("#")]
    if bare := [line[0] for line in entries if len(line) == 1]:
        raise SystemExit(f"audit: .ci/audit-ignore.txt gives no reason for {', '.join(bare)}")
    return [line[0] for line in entries]


def unchecked(reason: str) -> int:
    print(f"audit: requirements.lock was not checked, the vulnerability service is out of reach ({reason})")
    return 0


def main(arguments: list[str], lock: Path = HERE.parent / "requirements.lock") -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps", "--disable-pip"]
        command += ["--progress-spinner", "off", "--timeout", "5", "--format", "json", "--output", str(report)]
        command += [word for name in ignored() for word in ("--ignore-vuln", name)]
        try:
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return unchecked(f"no answer within {SECONDS} s")
        if not report.is_file() or not report.read_text():
            if why := UNREACHED.search(done.stderr):
                return unchecked(why[0].lower())
            print(f"audit: pip-audit failed\n{done.stderr[-2000:]}")
            return 1
        packages = json.loads(report.read_text())["dependencies"]
    found = [(one, fault) for one in packages for fault in one.get("vulns", [])]
    for package, fault in found:
        fixed = ", ".join(fault["fix_versions"]) or "no version"
        print(f"audit: {package['name']} {package['version']}: {fault['id']}, fixed in {fixed}")
    print(f"audit: {len(packages)} packages, {len(found)} known vulnerabilities that are not ignored")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
