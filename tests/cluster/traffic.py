"""Requests that do not stop while something else happens: a pod that asks a service again and again, and counts what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster.world import World

# Bounded in time, and one request after the other: what is looked for is a gap, not a limit.
_PROGRAM = """
import http.client, json, signal, sys, time
host, seconds = sys.argv[1], float(sys.argv[2])
answered, failures, stopped = 0, [], []
end = time.monotonic() + seconds
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
kept = http.client.HTTPConnection(host, 8080, timeout=15)
body, headers = json.dumps({"text": "seizures"}), {"Content-Type": "application/json"}

def ask(connection):
    connection.request("POST", "/v1/predict", body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != 200:
        failures.append(f"{response.status}: {text[:300]}")

print("asking", flush=True)
while not stopped and time.monotonic() < end:
    # One connection that is kept alive, as a gateway has it, and a new one each time, as a script does.
    for connection in (kept, http.client.HTTPConnection(host, 8080, timeout=15)):
        try:
            ask(connection)
            answered += 1
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
            connection.close()
        if connection is not kept:
            connection.close()
    time.sleep(0.05)
print(json.dumps({"answered": answered, "failures": failures}), flush=True)
"""


@dataclass
class Traffic:
    """What came of it; filled in when the block ends."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def steady_traffic(world: World, service: str, *, image: str, at_most_s: float = 300.0) -> Iterator[Traffic]:
    """Ask the service from a pod in its namespace, some ten times a second, until the block ends."""
    world.kubectl.apply(_pod(service, image, at_most_s))
    traffic = Traffic()
    try:
        world.until(lambda: _log(world), lambda text: "asking" in text, timeout_s=60, what="the traffic has begun")
        yield traffic
        world.run("exec", "traffic", "--", "python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
        text = world.until(lambda: _log(world), lambda text: "answered" in text, timeout_s=60, what="the traffic says what came of it")
        found = json.loads(text.splitlines()[-1])
        traffic.answered, traffic.failures = found["answered"], found["failures"]
    finally:
        world.kubectl.delete("pod", "traffic")


def _log(world: World) -> str:
    return world.run("logs", "traffic", "--ignore-errors") if _has_started(world) else ""


def _has_started(world: World) -> bool:
    pod = world.get("pod", "traffic")
    return pod is not None and pod["status"].get("phase") in ("Running", "Succeeded", "Failed")


def _pod(service: str, image: str, at_most_s: float) -> dict[str, object]:
    container = {
        "name": "traffic",
        "image": image,
        "command": ["python", "-c", _PROGRAM, service, str(at_most_s)],
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "securityContext": security, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "traffic"}, "spec": spec}
