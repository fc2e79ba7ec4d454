"""What servers on loopback need: a port of their own, and certificates of an authority that nobody knows."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def make_certificates(folder: Path) -> Path:
    """Make an authority, and the certificate that a server shows; return the authority's. (rustls takes none that is both.)"""
    authority, key, request = folder / "authority.crt", folder / "authority.key", folder / "request"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=authority", "-keyout", key, "-out", authority)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", folder / "private.key", "-out", request)
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    signing = ["-CA", authority, "-CAkey", key, "-CAcreateserial", "-days", "1", "-extfile", folder / "extensions"]
    openssl("x509", "-req", "-in", request, *signing, "-out", folder / "public.crt")
    return authority


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
