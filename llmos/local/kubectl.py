"""The one client through which `llmos.local`, `llmos.cli` and the tests speak to a cluster: kubectl, with our errors.

A program instead of a client library: it carries no dependency into the package, it reads every kubeconfig people have, and what it says
about a refused document is what users see when they type the command themselves.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from llmos.errors import LlmosError, NotFoundError, TransientError
from llmos.local.command import try_run
from llmos.local.proxies import without_proxy

__all__ = ["Document", "Kubectl", "KubectlError", "poll_until"]

Document = dict[str, Any]
T = TypeVar("T")


class KubectlError(LlmosError):
    """kubectl failed; the message is what it said."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="KubectlFailed")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,))


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl against one cluster, in one namespace unless a call names another."""

    kubeconfig: Path
    namespace: str | None = None
    program: Path = Path("kubectl")
    is_local: bool = True
    """Whether it is the local cluster, which no proxy of an organisation can reach; another's may be behind one."""

    def within(self, namespace: str) -> "Kubectl":
        """Return the same client for another namespace."""
        return replace(self, namespace=namespace)

    def run(self, *args: str, input: str | None = None, timeout_s: float = 300.0) -> str:
        """Run kubectl and return what it printed; raises NotFoundError for "NotFound", else KubectlError with its message."""
        done = try_run([*self.argv(), *args], stdin=input, timeout_s=timeout_s, environment=self.environment())
        if done.returncode == 0:
            return done.stdout
        message = (done.stderr.strip() or done.stdout.strip() or f"kubectl ended with {done.returncode}").removeprefix("error: ")
        if "(NotFound)" in message:
            raise NotFoundError(message, reason="NotFound")
        raise KubectlError(message)

    def argv(self) -> list[str]:
        """Return the command without arguments, for callers that stream (`logs -f`, `port-forward`)."""
        where = [] if self.namespace is None else [f"--namespace={self.namespace}"]
        return [str(self.program), *where]

    def environment(self) -> Mapping[str, str]:
        """Return the environment in which the command finds its cluster."""
        # Not --kubeconfig: KUBECONFIG may list several files, which that flag does not take.
        return {**(without_proxy(os.environ) if self.is_local else os.environ), "KUBECONFIG": str(self.kubeconfig)}

    def apply(self, document: "Document | list[Document] | Path", *, server_side: bool = False) -> str:
        """Apply a document, a list of documents, or a file or folder."""
        flags = ["--server-side", "--force-conflicts"] if server_side else []
        if isinstance(document, Path):
            return self.run("apply", *flags, "-f", str(document))
        items = document if isinstance(document, list) else [document]
        return self.run("apply", *flags, "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Document | None:
        """Return one object, or None if it does not exist."""
        text = self._for(namespace).run("get", kind, name, "--ignore-not-found", "--output=json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, *, selector: str | None = None, namespace: str | None = None, everywhere: bool = False) -> "list[Document]":
        """Return all objects of a kind in the namespace, or in all namespaces."""
        flags = [*([f"--selector={selector}"] if selector else []), *(["--all-namespaces"] if everywhere else [])]
        items: list[Document] = json.loads(self._for(namespace).run("get", kind, "--output=json", *flags))["items"]
        return items

    def delete(self, kind: str, name: str, namespace: str | None = None, *, wait: bool = True, timeout_s: float = 120.0) -> None:
        """Delete one object; none there is fine. `wait`: until it is gone."""
        flags = [f"--wait={str(wait).lower()}", f"--timeout={timeout_s:.0f}s"]
        self._for(namespace).run("delete", kind, name, "--ignore-not-found", *flags, timeout_s=timeout_s + 30)

    def wait(self, what: str, condition: str, namespace: str | None = None, *, timeout_s: float = 120.0) -> None:
        """Wait as `kubectl wait <what> --for=<condition>` does: what is "pod/x", condition "condition=Ready"."""
        flags = [f"--for={condition}", f"--timeout={timeout_s:.0f}s"]
        self._for(namespace).run("wait", what, *flags, timeout_s=timeout_s + 30)

    def _for(self, namespace: str | None) -> "Kubectl":
        return self if namespace is None else self.within(namespace)


def poll_until(look: Callable[[], T | None], *, what: str, timeout_s: float, interval_s: float = 0.2) -> T:
    """Call `look` until it returns something true; raises TransientError naming `what` when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise TransientError(f"{what} did not happen within {timeout_s:.0f} s", reason="TimedOut")
        time.sleep(interval_s)
