"""The artifact store: content-addressed payloads, provenance and versions in an OCI registry.

Start with `Registry` (sync, workloads) or `AsyncArtifacts` (async, read-only, operator); docs/artifacts.md tells the rest.
"""

from llmos.artifacts.aio import AsyncArtifacts
from llmos.artifacts.cache import BlobCache
from llmos.artifacts.canonical import canonical_json, digest_bytes, digest_file, digest_hex, inputs_hash, is_digest
from llmos.artifacts.chain import BrokenLink, Damaged, Link, Loaded, TracedLink, kind_of_role, trace_chain, verify_chain, verify_chain_async
from llmos.artifacts.documents import FileLayer, LinkState, Payload, Provenance, PushedPayload, Version
from llmos.artifacts.examine import PayloadReport
from llmos.artifacts.manifests import (
    DATASET_ARTIFACT,
    DATASET_CONFIG,
    DATASET_FILE,
    KNOWLEDGE_ARTIFACT,
    KNOWLEDGE_CONFIG,
    KNOWLEDGE_FILE,
    MODEL_ARTIFACT,
    MODEL_CONFIG,
    MODEL_DOC,
    MODEL_WEIGHT,
    MODEL_WEIGHT_CONFIG,
    owner_tag,
)
from llmos.artifacts.registry import Registry
from llmos.artifacts.repository import RegistryAccess, Repository
from llmos.artifacts.signatures import SignatureProblem, load_public_keys, signature_tag

__all__ = [
    "DATASET_ARTIFACT",
    "DATASET_CONFIG",
    "DATASET_FILE",
    "KNOWLEDGE_ARTIFACT",
    "KNOWLEDGE_CONFIG",
    "KNOWLEDGE_FILE",
    "MODEL_ARTIFACT",
    "MODEL_CONFIG",
    "MODEL_DOC",
    "MODEL_WEIGHT",
    "MODEL_WEIGHT_CONFIG",
    "AsyncArtifacts",
    "BlobCache",
    "BrokenLink",
    "Damaged",
    "FileLayer",
    "Link",
    "LinkState",
    "Loaded",
    "Payload",
    "PayloadReport",
    "Provenance",
    "PushedPayload",
    "Registry",
    "RegistryAccess",
    "Repository",
    "SignatureProblem",
    "TracedLink",
    "Version",
    "canonical_json",
    "digest_bytes",
    "digest_file",
    "digest_hex",
    "inputs_hash",
    "is_digest",
    "kind_of_role",
    "load_public_keys",
    "owner_tag",
    "signature_tag",
    "trace_chain",
    "verify_chain",
    "verify_chain_async",
]
