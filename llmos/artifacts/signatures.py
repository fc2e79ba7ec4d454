"""Signatures of versions, as `cosign sign --key` leaves them beside an image: key-based, ECDSA P-256, under the tag `sha256-<hex>.sig`.

What is signed is the provenance manifest. It names every payload and every parent by digest, so one signature stands for all of them; what
was measured is not in it. Must not: do I/O, or know about certificates, transparency logs and cosign's newer bundles.
"""

import base64
import binascii
import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from llmos.artifacts.canonical import digest_bytes, digest_hex
from llmos.artifacts.manifests import Descriptor, parse_manifest
from llmos.artifacts.reading import MAX_DOCUMENT_BYTES, Fetch
from llmos.artifacts.repository import Repository
from llmos.errors import ConfigError, TransientError

__all__ = ["SignatureProblem", "load_public_keys", "read_signature", "signature_tag"]

SIGNATURE_ANNOTATION: Final = "dev.cosignproject.cosign/signature"
SIGNATURE_MEDIA_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_TYPE: Final = "cosign container image signature"

_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----")
_MOST_SIGNATURES: Final = 32
"""Of one version; each is a request."""


@dataclass(frozen=True, slots=True)
class SignatureProblem:
    """Why a version does not count as signed."""

    reason: str
    """SignatureMissing or SignatureInvalid."""

    message: str

    def error(self) -> TransientError:
        """Return it as an error: signing it heals this without a change to any spec."""
        return TransientError(self.message, reason=self.reason)


def signature_tag(digest: str) -> str:
    """Return the tag under which cosign keeps the signatures of a manifest."""
    return f"sha256-{digest_hex(digest)}.sig"


@lru_cache(maxsize=16)
def load_public_keys(pem: str) -> tuple[ec.EllipticCurvePublicKey, ...]:
    """Parse one or more PEM public keys, one after the other: any of them may have signed, so that keys can be exchanged.

    Raises: ConfigError (InvalidConfig) if there is none, or one is no ECDSA key on P-256.
    """
    blocks = _PEM.findall(pem)
    if not blocks:
        raise ConfigError(
            "the public key for signatures holds no `-----BEGIN PUBLIC KEY-----`; give the file cosign.pub of `cosign generate-key-pair`",
            reason="InvalidConfig",
        )
    keys = []
    for number, block in enumerate(blocks, start=1):
        try:
            key = load_pem_public_key(block.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"public key {number} for signatures cannot be read: {error}", reason="InvalidConfig") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError(
                f"public key {number} for signatures must be an ECDSA key on P-256, as `cosign generate-key-pair` makes it",
                reason="InvalidConfig",
            )
        keys.append(key)
    return tuple(keys)


def read_signature(
    repository: Repository, digest: str, keys: Sequence[ec.EllipticCurvePublicKey]
) -> Generator[Fetch, bytes | None, SignatureProblem | None]:
    """Look for a signature of a manifest by one of the keys; None if there is one.

    A malformed signature beside a good one does no harm: whoever may push could otherwise block a version that was signed.
    """
    how = f"sign it: cosign sign --key cosign.key --tlog-upload=false {repository}@{digest}"
    data = yield Fetch("manifests", signature_tag(digest))
    if data is None:
        return SignatureProblem("SignatureMissing", f"{repository}@{digest} is not signed, and this installation asks for that; {how}")
    try:
        layers = parse_manifest(data).layers[:_MOST_SIGNATURES]
    except ValueError as error:
        return SignatureProblem(
            "SignatureInvalid", f"what should hold the signatures of {repository}@{digest} is malformed: {error}; {how}"
        )
    problem = "it holds none"
    for layer in layers:
        if layer.media_type != SIGNATURE_MEDIA_TYPE or layer.size_bytes > MAX_DOCUMENT_BYTES:
            continue
        payload = yield Fetch("blobs", layer.digest)
        found = _problem_of(layer, payload, digest, keys)
        if found is None:
            return None
        problem = found
    return SignatureProblem("SignatureInvalid", f"no signature of {repository}@{digest} is valid: {problem}; {how}")


def _problem_of(layer: Descriptor, payload: bytes | None, digest: str, keys: Sequence[ec.EllipticCurvePublicKey]) -> str | None:
    """Say what is wrong with one signature, or None."""
    if payload is None or digest_bytes(payload) != layer.digest:
        return "its payload is missing or damaged"
    try:
        signature = base64.b64decode(layer.annotations.get(SIGNATURE_ANNOTATION, ""), validate=True)
    except binascii.Error:
        return "the signature is not base64"
    if not any(_is_by(key, signature, payload) for key in keys):
        return "it was made with another key, or of something else"
    try:
        critical = json.loads(payload)["critical"]
        signed, kind = critical["image"]["docker-manifest-digest"], critical["type"]
    except (ValueError, KeyError, TypeError):
        return "what was signed is no simple-signing document"
    if kind != SIGNATURE_TYPE or signed != digest:
        return f"it is a {kind} of {signed}"
    return None


def _is_by(key: ec.EllipticCurvePublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
