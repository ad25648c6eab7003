"""`python -m benchmarks.evidence [NAME ...]`: run the studies of this folder; each writes its page in docs/."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_STUDIES = ("__init__", "__main__", "page", "fleet_tables")


def main(wanted: list[str]) -> int:
    known = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_STUDIES)
    if unknown := [name for name in wanted if name not in known]:
        print(f"study {unknown[0]} is unknown; known: {', '.join(known) or 'none yet'}", file=sys.stderr)
        return 2
    if not known:
        print("make evidence: no studies are registered in benchmarks/evidence yet")
    fallen_short = []
    for name in wanted or known:
        print(f"study {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.evidence.{name}"]
        if subprocess.run(command, cwd=HERE.parents[1], check=False).returncode:
            fallen_short.append(name)
    if fallen_short:
        print(f"make evidence: fell short or broke off: {', '.join(fallen_short)}", file=sys.stderr)
    return 1 if fallen_short else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
