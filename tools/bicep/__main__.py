"""`python -m tools.bicep [FOLDER]`: check the templates of a working tree. Exit status 1 if something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.bicep.project import FOLDER, check, files_of, readers_of

ROOT: Final = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str]) -> int:
    root = Path(argv[0]) if argv else ROOT
    files = files_of(root)
    if not any(path.endswith(".bicep") for path in files):
        print(f"there is no template in {root / FOLDER}", file=sys.stderr)
        return 1
    faults = check(files, readers_of(root))
    for each in faults:
        print(each, file=sys.stderr)
    print(f"{len(files)} files of infrastructure, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
