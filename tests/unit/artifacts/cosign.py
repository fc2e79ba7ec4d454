"""Signs as `cosign sign --key` does: what its key-based signatures look like in a registry, made without it."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from llmos.artifacts import RegistryAccess, Repository, digest_bytes, signature_tag
from llmos.artifacts.signatures import SIGNATURE_ANNOTATION, SIGNATURE_MEDIA_TYPE, SIGNATURE_TYPE
from llmos.artifacts.transport import Transport
from llmos.artifacts.upload import push_blob, put_manifest
from tests.unit.artifacts.memory_registry import MemoryRegistry

OCI_CONFIG = b'{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"","rootfs":{}}'


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def simple_signing(repository: Repository, digest: str, **changes: Any) -> bytes:
    critical = {"identity": {"docker-reference": str(repository)}, "image": {"docker-manifest-digest": digest}, "type": SIGNATURE_TYPE}
    return json.dumps({"critical": {**critical, **changes}, "optional": None}, separators=(",", ":")).encode()


def sign(
    memory: MemoryRegistry, repository: Repository, digest: str, *keys: ec.EllipticCurvePrivateKey, payload: bytes | None = None
) -> None:
    """Put signatures by these keys under the tag, in place of what is there."""
    put_signatures(memory, repository, digest, _signatures(repository, digest, keys, payload))


def put_signatures(memory: MemoryRegistry, repository: Repository, digest: str, signatures: list[tuple[bytes, str]]) -> None:
    manifest, blobs = _manifest(signatures)
    memory.blobs |= {(repository.path, digest_bytes(blob)): blob for blob in blobs}
    memory.manifests[repository.path, signature_tag(digest)] = manifest


def push_signature(access: RegistryAccess, repository: Repository, digest: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Do the same in a registry on a socket."""
    manifest, blobs = _manifest(_signatures(repository, digest, (key,), None))
    transport = Transport(access)
    try:
        for blob in blobs:
            push_blob(transport, repository, digest_bytes(blob), len(blob), blob)
        put_manifest(transport, repository, signature_tag(digest), manifest)
    finally:
        transport.close()


def _signatures(
    repository: Repository, digest: str, keys: tuple[ec.EllipticCurvePrivateKey, ...], payload: bytes | None
) -> list[tuple[bytes, str]]:
    content = payload if payload is not None else simple_signing(repository, digest)
    return [(content, base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()) for key in keys]


def _manifest(signatures: list[tuple[bytes, str]]) -> tuple[bytes, list[bytes]]:
    """Return the manifest and the blobs it names."""
    layers = []
    for payload, signature in signatures:
        described = {"mediaType": SIGNATURE_MEDIA_TYPE, "size": len(payload), "digest": digest_bytes(payload)}
        layers.append({**described, "annotations": {SIGNATURE_ANNOTATION: signature}})
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(OCI_CONFIG), "digest": digest_bytes(OCI_CONFIG)}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers}
    return json.dumps(manifest).encode(), [OCI_CONFIG, *(payload for payload, _ in signatures)]
