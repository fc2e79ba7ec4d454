"""The cluster's certificate authority, certificates and kubeconfigs, made with openssl.

All of it appears in one rename, so a half-written authority is never used. Local and throw-away: every certificate lasts ten years, and
nothing here may guard anything but this machine's cluster.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.local.command import run
from llmos.local.files import folder_made_whole, write_atomically
from llmos.local.settings import CLUSTER_DOMAIN, NODE_ADDRESS, NODE_NAME, LocalSettings

__all__ = ["API_SERVER", "ensure_pki"]

API_SERVER: Final = f"https://{NODE_ADDRESS}:6443"
_DAYS: Final = "3650"


@dataclass(frozen=True, slots=True)
class _Certificate:
    name: str
    subject: str
    alternative_names: str = ""
    kubeconfig: bool = False


_CERTIFICATES: Final = (
    _Certificate(
        "apiserver",
        "/CN=kube-apiserver",
        "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
        f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN},IP:127.0.0.1,IP:10.96.0.1,IP:{NODE_ADDRESS}",
    ),
    _Certificate("loopback", "/CN=llmos-loopback", "DNS:localhost,IP:127.0.0.1"),
    _Certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE_NAME}", f"DNS:{NODE_NAME},IP:{NODE_ADDRESS}", kubeconfig=True),
    _Certificate("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    _Certificate("admin", "/O=system:masters/CN=llmos-admin", kubeconfig=True),
    _Certificate("controller-manager", "/CN=system:kube-controller-manager", kubeconfig=True),
    _Certificate("scheduler", "/CN=system:kube-scheduler", kubeconfig=True),
    _Certificate("proxy", "/CN=system:kube-proxy", kubeconfig=True),
)


def ensure_pki(settings: LocalSettings) -> None:
    """Make the authority and all certificates unless they are there, and lay the administrator's kubeconfig out."""
    if not settings.pki.is_dir():
        with folder_made_whole(settings.pki) as folder:
            _make_authority(folder)
            for certificate in _CERTIFICATES:
                _make_certificate(folder, certificate)
    write_atomically(settings.kubeconfig, (settings.pki / "admin.kubeconfig").read_bytes(), mode=0o600)


def _new_key(path: Path) -> None:
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    path.chmod(0o600)


def _make_authority(folder: Path) -> None:
    _new_key(folder / "ca.key")
    subject = ["-subj", "/CN=llmos-local-ca"]
    run(["openssl", "req", "-x509", "-new", "-key", folder / "ca.key", "-out", folder / "ca.crt", "-days", _DAYS, *subject])
    _new_key(folder / "service-account.key")
    run(["openssl", "pkey", "-in", folder / "service-account.key", "-pubout", "-out", folder / "service-account.pub"])


def _make_certificate(folder: Path, certificate: _Certificate) -> None:
    key, request, result = (folder / f"{certificate.name}.{ending}" for ending in ("key", "csr", "crt"))
    extensions = folder / f"{certificate.name}.ext"
    _new_key(key)
    run(["openssl", "req", "-new", "-key", key, "-out", request, "-subj", certificate.subject])
    lines = ["extendedKeyUsage=serverAuth,clientAuth"]
    if certificate.alternative_names:
        lines.append(f"subjectAltName={certificate.alternative_names}")
    extensions.write_text("\n".join(lines) + "\n")
    authority: list[str | Path] = ["-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial"]
    run(["openssl", "x509", "-req", "-in", request, *authority, "-out", result, "-days", _DAYS, "-extfile", extensions])
    request.unlink()
    extensions.unlink()
    if certificate.kubeconfig:
        path = folder / f"{certificate.name}.kubeconfig"
        path.write_text(_kubeconfig(folder, certificate.name))
        path.chmod(0o600)


def _kubeconfig(folder: Path, name: str) -> str:
    def embedded(file_name: str) -> str:
        return base64.b64encode((folder / file_name).read_bytes()).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "llmos",
        "clusters": [{"name": "llmos", "cluster": {"server": API_SERVER, "certificate-authority-data": embedded("ca.crt")}}],
        "users": [{"name": name, "user": {"client-certificate-data": embedded(f"{name}.crt"), "client-key-data": embedded(f"{name}.key")}}],
        "contexts": [{"name": "llmos", "context": {"cluster": "llmos", "user": name}}],
    }
    return json.dumps(document, indent=1)
