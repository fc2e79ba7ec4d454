"""The process that imports once, for `bench.model_import`: what to import is its argument, what it cost its last line of output."""

import cProfile
import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from llmos.models import HttpSource, OciSource, import_from_http, import_from_oci
from llmos.workload import ObjectRef, Reporter, SourceAccess

_SAMPLE_S: Final = 0.01
_STATUS: Final = Path("/proc/self/status")


def anonymous_bytes() -> int:
    """Return this process's anonymous resident memory."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def run(request: dict[str, Any]) -> None:
    """Import as a Job does, progress included; it is told to nobody."""
    reporter = Reporter(None, ObjectRef(kind="Model", namespace="bench", name="bench", uid="bench"))
    into = Path(request["into"])
    if "http" in request:
        import_from_http(HttpSource.model_validate(request["http"]), into, reporter=reporter)
    else:
        import_from_oci(OciSource.model_validate(request["oci"]), into, access=SourceAccess(plainHTTP=True), reporter=reporter)


def main() -> None:
    """Import, and print what it took."""
    request = json.loads(sys.argv[1])
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_S):
            peak[0] = max(peak[0], anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    profile = cProfile.Profile() if "profile" in request else None
    began, cpu_began = time.monotonic(), time.process_time()
    try:
        if profile is None:
            run(request)
        else:
            profile.runcall(run, request)
        seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
    finally:
        done.set()
        watcher.join()
    if profile is not None:
        profile.dump_stats(request["profile"])
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "anonymous_bytes": max(peak[0], anonymous_bytes())}))


if __name__ == "__main__":
    main()
