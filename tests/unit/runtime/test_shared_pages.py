"""Two processes that read the same snapshot folder share its pages: the second costs little memory of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmos.knowledge import LinkingSettings, build_snapshot
from tests.unit.knowledge.graph.conftest import write_graph

# Reads every page of the database and walks through the trie, says what it costs, and waits to be measured again.
READER = """
import re, sys
from pathlib import Path
from llmos.knowledge import Snapshot
from llmos.knowledge.graph import search_names

def mapped(name):
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(name)
        elif inside and line.startswith("Pss:"):
            found += int(line.split()[1])
    return found

snapshot = Snapshot.open(Path(sys.argv[1]))
snapshot.view.rows("SELECT sum(length(text)) FROM name")
snapshot.view.rows("SELECT count(*) FROM fact NOT INDEXED")
list(snapshot.names_beginning(["thing"]))
for _ in sys.stdin:
    print(mapped("facts.sqlite") + mapped("names.marisa"), flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shared")
    (path / "built").mkdir()
    edges = [(number, number // 2) for number in range(2, 8001)]
    build_snapshot([write_graph(path, edges, 8000)], path / "built", linking=LinkingSettings())
    return path / "built"


def test_the_pages_of_a_snapshot_are_shared_by_the_processes_that_serve_it(folder: Path):
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", READER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def pss_kib(process: subprocess.Popen[str]) -> int:
        process.stdin.write("now\n")
        process.stdin.flush()
        return int(json.loads(process.stdout.readline()))

    with start() as first:
        alone = pss_kib(first)
        with start() as second:
            shares = [pss_kib(second), pss_kib(first)]
            second.stdin.close()
        first.stdin.close()
    assert alone > 500, "the files are mapped, not copied"
    for share in shares:
        assert share < 0.75 * alone, f"{share} KiB of {alone}: each bears half of what both have mapped, and the pages only it has touched"
