"""What `bench.model_import` imports from: an HTTP server and an OCI registry on loopback, each a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, Registry, RegistryAccess, Repository, digest_file
from llmos.local.settings import LocalSettings
from llmos.local.toolchain import Toolchain
from llmos.models.folder import build_model_config, folder_layers


@dataclass(frozen=True, slots=True)
class Served:
    """What the importing process is asked for."""

    request: dict[str, Any]
    size_bytes: int
    """Of the weights."""


class _Handler(SimpleHTTPRequestHandler):
    """Serves files as a real server does: the kernel copies, and Python does not."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        outputfile.flush()
        self.connection.sendfile(cast(BinaryIO, source))

    def log_message(self, *_: object) -> None:
        pass


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _running(argv: list[str], url: str, log: Path | None = None) -> Iterator[None]:
    with Path(log or os.devnull).open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                httpx.get(url, trust_env=False).raise_for_status()
                break
            except httpx.HTTPError as error:
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError(f"{argv[0]} does not answer at {url}") from error
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def serve_http(model: Path) -> Iterator[Served]:
    """Serve the folder by HTTP."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    files = [
        {"url": f"{url}/{path.name}", "sha256": digest_file(path).removeprefix("sha256:"), "path": path.name}
        for path in sorted(model.iterdir())
    ]
    with _running([sys.executable, "-m", "bench.import_servers", str(port), str(model)], f"{url}/config.json"):
        yield Served({"http": {"files": files}}, (model / "model.safetensors").stat().st_size)


@contextmanager
def serve_registry(model: Path, folder: Path) -> Iterator[Served]:
    """Push the folder to a registry of its own, and serve that."""
    host = f"127.0.0.1:{_free_port()}"
    config = {"version": "0.1", "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}}}
    (folder / "registry.yaml").write_text(json.dumps({**config, "http": {"addr": host}}))
    program = Toolchain(LocalSettings.from_environment()).registry()
    with _running([str(program), "serve", str(folder / "registry.yaml")], f"http://{host}/v2/", folder / "registry.log"):
        repository = Repository.parse(f"{host}/bench/model")
        with Registry(RegistryAccess(plain_http=True)) as registry:
            pushed = registry.push_payload(
                repository,
                folder_layers(model),
                artifact_type=MODEL_ARTIFACT,
                config_type=MODEL_CONFIG,
                config=build_model_config("safetensors"),
            )
        yield Served({"oci": {"reference": f"{repository}@{pushed.digest}"}}, (model / "model.safetensors").stat().st_size)


def main() -> None:
    """Serve a folder by HTTP until killed: `python -m bench.import_servers PORT FOLDER`."""
    os.chdir(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()


if __name__ == "__main__":
    main()
