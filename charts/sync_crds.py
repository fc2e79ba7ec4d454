"""Copy `crds/` into the chart, byte for byte: a chart can only carry files of its own folder. Run it after every change of a CRD.

    python charts/sync_crds.py

`tests/unit/chart` fails where the two differ.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "crds"
TARGET = ROOT / "charts" / "llmos" / "files" / "crds"


def main() -> None:
    """Make the chart's copy equal to the source."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for path in sorted(SOURCE.glob("*.yaml")):
        shutil.copyfile(path, TARGET / path.name)


if __name__ == "__main__":
    main()
