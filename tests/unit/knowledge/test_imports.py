"""What only builds need is imported only by them: a sidecar, a trainer and a laptop have no DuckDB."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"duckdb", "pyarrow", "adbc_driver_sqlite", "adbc_driver_manager", "pyoxigraph"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Absent())
from pathlib import Path
from llmos.knowledge import Snapshot
from llmos.knowledge.difference import compare_snapshots
with Snapshot.open(Path(sys.argv[1])) as snapshot:
    assert snapshot.link("seizures")[0].id == "HP:0001250"
    assert snapshot.facts("HP:0001250", 3)
assert list(compare_snapshots(Path(sys.argv[1]), Path(sys.argv[1]))) == []
"""


def test_a_snapshot_is_read_and_compared_without_what_builds_need(snapshot_path):
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", PROGRAM, str(snapshot_path)], check=True, env={"PYTHONPATH": str(root)})
