"""The whole inference pod as processes: our `tritonserver` with a real ONNX model, the sidecar in front, and either of them stopping.

The server's environment is laid from its lock, once, into the cache; LLMOS_TRITON_PYTHON names another Python that has it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

import llmos
from llmos.artifacts import digest_bytes
from llmos.local.settings import LocalSettings
from tests.unit.runtime.conftest import QUESTION, Pod
from tests.unit.runtime.tiny_onnx import CONFIG_PBTXT, write_tiny_onnx

pytestmark = pytest.mark.node

ROOT = Path(llmos.__file__).parent.parent
LOCK = ROOT / "requirements" / "triton.txt"


@dataclass
class Processes:
    """The pod's two containers as processes on loopback."""

    pod: Pod
    server_python: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("http", "grpc", "metrics", "sidecar")})
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['sidecar']}"

    def start_triton(self) -> None:
        options = [f"--{door}-{part}" for door in ("http", "grpc", "metrics") for part in ("address=127.0.0.1", f"port={self.ports[door]}")]
        environment = {"LLMOS_BACKEND_DIRECTORY": str(self.pod.folder / "backends")}
        self._start(
            "triton",
            [str(self.server_python), "-m", "llmos.runtime.triton", f"--model-repository={self.pod.paths.repository}", *options],
            environment,
        )

    def start_sidecar(self) -> None:
        paths = self.pod.paths
        options = [f"--config={paths.config}", f"--active={paths.active}", f"--models={paths.models}", f"--knowledge={paths.knowledge}"]
        options += [f"--triton-grpc=127.0.0.1:{self.ports['grpc']}", f"--triton-metrics=http://127.0.0.1:{self.ports['metrics']}/metrics"]
        options += ["--host=127.0.0.1", f"--port={self.ports['sidecar']}", "--drain-seconds=1"]
        self._start("sidecar", [sys.executable, "-m", "llmos.runtime.sidecar", *options], {})

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.pod.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, stdout=log, stderr=log
            )

    def status(self, path: str) -> int:
        try:
            return httpx.get(self.url + path, timeout=5, trust_env=False).status_code
        except httpx.TransportError:
            return 0

    def predict(self, text: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/predict", json={"text": text}, timeout=10, trust_env=False)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} seconds"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server_python() -> Path:
    """A Python with the server's wheel."""
    if named := os.environ.get("LLMOS_TRITON_PYTHON"):
        return Path(named)
    library = Path(sysconfig.get_config_var("LIBDIR")) / "libpython3.11.so.1.0"
    if not library.exists():
        pytest.skip(f"{library} is missing, which the server's Python backend needs; install libpython3.11")
    environment = LocalSettings.from_environment().cache / f"triton-{digest_bytes(LOCK.read_bytes())[7:19]}"
    if not (environment / "complete").exists():
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        install = ["pip", "install", "--quiet", "--require-hashes", "--python", str(environment / "bin" / "python"), "-r", str(LOCK)]
        subprocess.run([sys.executable, "-m", "uv", *install], check=True)
        (environment / "complete").touch()
    return environment / "bin" / "python"


@pytest.fixture
def processes(pod: Pod, tmp_path: Path, server_python: Path) -> Iterator[Processes]:
    write_tiny_onnx(tmp_path / "tiny" / "model.onnx")
    labels = [{"id": "SUM", "name": "Sum of ids"}, {"id": "NUM", "name": "Number of tokens"}]
    onnx = (tmp_path / "tiny" / "model.onnx").read_bytes()
    pod.configure(pod.push_model(labels=labels, model_onnx=onnx, config_pbtxt=CONFIG_PBTXT.encode()), pod.push_knowledge())
    assert pod.fetch() == 0
    made = Processes(pod, server_python)
    yield made
    made.stop()
    for log in tmp_path.glob("*.log"):
        sys.stderr.write(log.read_text()[-4000:])


def test_the_pod_serves_survives_its_server_and_drains(processes: Processes):
    processes.start_sidecar()
    eventually(lambda: processes.status("/livez") == 200)
    assert [processes.status(path) for path in ("/readyz", "/internal/triton/live")] == [503, 503], "alive, and not ready without Triton"
    processes.start_triton()
    eventually(lambda: processes.status("/readyz") == 200)
    assert processes.status("/internal/triton/live") == 200

    answer = processes.predict(QUESTION).json()
    assert [entity["id"] for entity in answer["entities"]] == ["HP:0001250", "HP:0000256", "HP:0001252"]
    # the=1 child=2 has=3 seizures=4 large=5 head=6 low=7 muscle=8 tone=9, the rest unknown: the sum of ids beats the number of tokens.
    assert answer["label"]["id"] == "SUM"
    with ThreadPoolExecutor(8) as pool:
        labels = list(pool.map(lambda words: processes.predict("the " * words).json()["label"]["id"], [1, 2, 3, 4] * 8))
    assert set(labels) <= {"SUM", "NUM"}
    metrics = httpx.get(f"{processes.url}/metrics", trust_env=False).text
    assert "llmos_ready 1.0" in metrics
    assert 'nv_inference_request_success{model="model",version="1"}' in metrics

    address = socket.gethostbyname(socket.gethostname())
    for door in ("http", "grpc", "metrics"):
        if not address.startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, processes.ports[door]), timeout=2)

    processes.running["triton"].kill()
    processes.running["triton"].wait()
    eventually(lambda: processes.status("/readyz") == 503)
    assert processes.status("/livez") == 200
    assert processes.predict("the child").status_code == 503
    processes.start_triton()
    eventually(lambda: processes.status("/readyz") == 200)
    assert processes.predict("the child").status_code == 200

    processes.running["sidecar"].send_signal(signal.SIGTERM)
    eventually(lambda: processes.status("/readyz") == 503, seconds=5)
    assert processes.predict("the child").status_code == 200, "it still answers while it drains"
    assert processes.running["sidecar"].wait(timeout=20) == 0
