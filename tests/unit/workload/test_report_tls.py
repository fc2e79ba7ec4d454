"""Reports over real TLS: the authority is whom the file names now, as the kubelet replaces it."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from llmos.workload import ObjectRef, Reporter
from llmos.workload.config import Report

OBJECT = ObjectRef(kind="InferenceService", namespace="demo", name="phenotype", uid="u-1")


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
    options += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *options], check=True, capture_output=True)
    return certificate, key


@contextmanager
def serving(context: ssl.SSLContext, arrived: threading.Event) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(202)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None:
            pass

    class Server(HTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that does not trust us hangs up

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_renewed_authority_is_trusted_from_the_next_report_on(tmp_path: Path) -> None:
    old, new = (make_certificate(tmp_path, name) for name in ("old", "new"))
    (tmp_path / "token").write_text("t")
    authority = tmp_path / "report-ca.crt"
    authority.write_text(old[0].read_text())
    context, arrived = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), threading.Event()
    context.load_cert_chain(*old)
    with serving(context, arrived) as port:
        report = Report(url=f"https://127.0.0.1:{port}/v1/reports", caFile=authority, tokenFile=tmp_path / "token")
        with Reporter(report, OBJECT, interval_s=0.02, repeat_s=0.05) as sender:
            sender.active(pod="p", model="sha256:m", knowledge=[])
            assert arrived.wait(5)
            context.load_cert_chain(*new)
            arrived.clear()
            assert not arrived.wait(0.3), "it must not be sent to whom the file does not name"
            authority.write_text(new[0].read_text())
            assert arrived.wait(5)
