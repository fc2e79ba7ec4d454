"""One build, bulk load or reading of a knowledge base, measured in a process of its own: `python -m bench.knowledge_process TASK …`.

The last line of its output is JSON. Must not: judge; `knowledge_build` and `grounding` do.
"""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.knowledge_rules import all_rules
from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.rules import RULES_DOCUMENT, RuleSet, parse_rules

__all__ = ["Memory", "main", "run"]

_SAMPLE_S: Final = 0.05


class Memory:
    """The most anonymous memory this process ever had, sampled."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, anonymous_bytes())

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.peak_bytes = max(self.peak_bytes, anonymous_bytes())


def anonymous_bytes() -> int:
    """Return the anonymous resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel tells no RssAnon")


def build(sources: Path, target: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Build a snapshot of every file of a folder, with everything that a build does."""
    files = [
        SourceFile(source=path.stem, path=path.name, format="NTriples", package_version="1", location=path)
        for path in sorted(sources.glob("*.nt"))
    ]
    from llmos.knowledge.rules.derive import rules_step

    fragments = None
    if arguments.cache:
        from llmos.knowledge.building.cache import FragmentCache

        fragments = FragmentCache(arguments.cache, 1 << 40)
    target.mkdir()
    stages: list[tuple[str, float]] = []
    built = build_snapshot(
        files,
        target,
        linking=LinkingSettings(),
        steps=[rules_step(parse_rules(all_rules()))],
        documents={RULES_DOCUMENT: all_rules()},
        cache=fragments,
        scratch=target.parent,
        on_progress=lambda _percent, message: stages.append((message.split()[0], time.perf_counter())),
    )
    ends = [at for _, at in stages[1:]] + [time.perf_counter()]
    seconds: dict[str, float] = {}
    for (stage, began), ended in zip(stages, ends, strict=True):
        seconds[stage] = seconds.get(stage, 0.0) + ended - began
    size = sum(path.stat().st_size for path in target.iterdir())
    return {"digest": built.description.content_digest, "stages": seconds, "bytes": size, "counts": dict(built.description.counts)}


def bulk_load(sources: Path, target: Path, _arguments: argparse.Namespace) -> dict[str, Any]:
    """Load the same file into pyoxigraph's store on disk."""
    import pyoxigraph

    store = pyoxigraph.Store(str(target))
    for path in sorted(sources.glob("*.nt")):
        store.bulk_load(path=str(path), format=pyoxigraph.RdfFormat.N_TRIPLES)
    store.flush()
    return {"triples": len(store)}


def ground(texts: Path, target: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Link texts, read the facts of what they name, and judge an answer by the rules."""
    lines = texts.read_text().splitlines()
    began = time.perf_counter()
    with Snapshot.open(target) as snapshot:
        opened = time.perf_counter() - began
        snapshot.warm()
        rules = RuleSet.load(snapshot)
        answers = [id for id, _ in snapshot.entities() if "/Drug/" in id][::97]
        link_ms, facts_ms, total_ms, cpu_ms, num_mentions, num_facts, num_verdicts = [], [], [], [], 0, 0, 0
        for index, text in enumerate(lines):
            began, began_cpu = time.perf_counter(), time.thread_time()
            mentions = snapshot.link(text)
            linked = time.perf_counter()
            facts = [snapshot.facts(id, arguments.facts) for id in dict.fromkeys(mention.id for mention in mentions)]
            read = time.perf_counter()
            verdicts = rules.judge(mentions, [(answers[index % len(answers)], 900)])
            ended, ended_cpu = time.perf_counter(), time.thread_time()
            if index >= arguments.warm_up:
                facts_ms.append((read - linked) * 1e3)
                link_ms.append((linked - began) * 1e3)
                total_ms.append((ended - began) * 1e3)
                cpu_ms.append((ended_cpu - began_cpu) * 1e3)
                num_mentions += len(mentions)
                num_facts += sum(map(len, facts))
                num_verdicts += len(verdicts)
        return {
            "linkMilliseconds": link_ms,
            "factsMilliseconds": facts_ms,
            "totalMilliseconds": total_ms,
            "cpuMilliseconds": cpu_ms,
            "rules": rules.num_verdict_rules,
            "verdicts": num_verdicts,
            "mentions": num_mentions,
            "facts": num_facts,
            "openSeconds": opened,
            "anonymousBytes": anonymous_bytes(),
            "filesBytes": sum(path.stat().st_size for path in target.iterdir()),
        }


_TASKS: Final[dict[str, Callable[[Path, Path, argparse.Namespace], dict[str, Any]]]] = {
    "build": build,
    "bulk-load": bulk_load,
    "ground": ground,
}


def run(task: str, *arguments: Path | str) -> dict[str, Any]:
    """Run a task in a new process and return what it says; it writes its errors to ours."""
    command = [sys.executable, "-m", "bench.knowledge_process", task, *map(str, arguments)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    document: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return document


def main(argv: Sequence[str] | None = None) -> int:
    """Run one task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=_TASKS)
    parser.add_argument("sources", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--facts", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=0)
    arguments = parser.parse_args(argv)
    with Memory() as memory:
        started = time.perf_counter()
        result = _TASKS[arguments.task](arguments.sources, arguments.target, arguments)
        seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(result | {"seconds": seconds, "cpuSeconds": usage.ru_utime + usage.ru_stime, "peakAnonymousBytes": memory.peak_bytes}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
