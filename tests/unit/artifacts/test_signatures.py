"""Signatures of versions: what counts as signed, whatever else lies beside it, and what is said where nothing does."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from llmos.artifacts import (
    AsyncArtifacts,
    Registry,
    RegistryAccess,
    Repository,
    SignatureProblem,
    Version,
    digest_bytes,
    load_public_keys,
    signature_tag,
)
from llmos.errors import ConfigError, TransientError
from tests.unit.artifacts.cosign import new_key, pem_of, put_signatures, sign, simple_signing
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.artifacts.registry_behaviour import push_version

REPOSITORY = Repository("registry.test", "demo/model/minilm")
KEY, ANOTHER = new_key(), new_key()


@pytest.fixture
def memory() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def version(memory: MemoryRegistry, tmp_path: Path) -> Version:
    with Registry(RegistryAccess(), transport=memory.transport()) as registry:
        return push_version(registry, REPOSITORY, tmp_path, "minilm")


def get(memory: MemoryRegistry, version: Version, key: str = pem_of(KEY)) -> Version:
    with Registry(RegistryAccess(public_key=key), transport=memory.transport(), sleep=lambda _: None) as registry:
        return registry.get_version(REPOSITORY, version.digest)


def test_a_signed_version_is_got_and_its_key_may_be_one_of_several(memory: MemoryRegistry, version: Version) -> None:
    sign(memory, REPOSITORY, version.digest, KEY)
    assert get(memory, version) == version
    assert get(memory, version, pem_of(ANOTHER) + pem_of(KEY)) == version


def test_one_good_signature_among_bad_ones_is_enough(memory: MemoryRegistry, version: Version) -> None:
    sign(memory, REPOSITORY, version.digest, ANOTHER, KEY, ANOTHER)
    assert get(memory, version) == version


def test_without_a_key_nothing_is_asked(memory: MemoryRegistry, version: Version) -> None:
    with Registry(RegistryAccess(), transport=memory.transport()) as registry:
        assert registry.get_version(REPOSITORY, version.digest) == version
    assert not [path for _, path in memory.requests if path.endswith(".sig")]


def test_what_is_not_signed_says_how_to_sign_it(memory: MemoryRegistry, version: Version) -> None:
    with pytest.raises(TransientError, match=f"cosign sign --key cosign.key --tlog-upload=false {REPOSITORY}@{version.digest}") as found:
        get(memory, version)
    assert found.value.reason == "SignatureMissing"


def break_base64(memory: MemoryRegistry, digest: str) -> None:
    put_signatures(memory, REPOSITORY, digest, [(simple_signing(REPOSITORY, digest), "!")])


def swap_signature(memory: MemoryRegistry, digest: str) -> None:
    """A signature of something else, under this payload."""
    put_signatures(memory, REPOSITORY, digest, [(simple_signing(REPOSITORY, digest), base64.b64encode(b"x" * 70).decode())])


def lose_payload(memory: MemoryRegistry, digest: str) -> None:
    sign(memory, REPOSITORY, digest, KEY)
    manifest = json.loads(memory.manifests[REPOSITORY.path, signature_tag(digest)])
    del memory.blobs[REPOSITORY.path, manifest["layers"][0]["digest"]]


OTHER_DIGEST = "sha256:" + "1" * 64
BAD: list[tuple[Callable[[MemoryRegistry, str], object], str]] = [
    (lambda memory, digest: sign(memory, REPOSITORY, digest, ANOTHER), "another key"),
    (lambda memory, digest: sign(memory, REPOSITORY, digest, KEY, payload=simple_signing(REPOSITORY, OTHER_DIGEST)), OTHER_DIGEST),
    (
        lambda memory, digest: sign(memory, REPOSITORY, digest, KEY, payload=simple_signing(REPOSITORY, digest, type="other")),
        "it is a other",
    ),
    (lambda memory, digest: sign(memory, REPOSITORY, digest, KEY, payload=b"words"), "no simple-signing document"),
    (lambda memory, digest: sign(memory, REPOSITORY, digest), "it holds none"),
    (break_base64, "not base64"),
    (swap_signature, "another key, or of something else"),
    (lose_payload, "missing or damaged"),
    (lambda memory, digest: memory.manifests.update({(REPOSITORY.path, signature_tag(digest)): b"{}"}), "malformed"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD, ids=[words for _, words in BAD])
def test_what_is_no_signature_of_this_version_by_this_key_is_refused(
    memory: MemoryRegistry, version: Version, spoil: Callable[[MemoryRegistry, str], object], words: str
) -> None:
    spoil(memory, version.digest)
    with pytest.raises(TransientError, match=words) as found:
        get(memory, version)
    assert found.value.reason == "SignatureInvalid"


async def test_the_operator_sees_the_same(memory: MemoryRegistry, version: Version) -> None:
    artifacts = AsyncArtifacts(RegistryAccess(public_key=pem_of(KEY)), transport=memory.transport())
    problem = await artifacts.signature_problem(REPOSITORY, version.digest)
    assert problem is not None
    assert problem.reason == "SignatureMissing"
    sign(memory, REPOSITORY, version.digest, KEY)
    assert await artifacts.signature_problem(REPOSITORY, version.digest) is None
    await artifacts.aclose()


def test_what_a_job_has_just_made_need_not_be_signed_yet(memory: MemoryRegistry, tmp_path: Path) -> None:
    with Registry(RegistryAccess(public_key=pem_of(KEY)), transport=memory.transport()) as registry:
        made = push_version(registry, REPOSITORY, tmp_path, "fresh")
        assert registry.find_version(REPOSITORY, made.provenance.inputs_hash) == made


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("words", "holds no"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "ECDSA key on P-256"),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), "ECDSA key on P-256"),
    ],
)
def test_a_key_of_another_kind_is_refused_with_the_kind_it_must_be(pem: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_public_keys(pem)


REAL = json.loads((Path(__file__).parent / "cosign_signature.json").read_text())
"""What cosign 2.6.1 itself left in a registry, and the public key of the pair it had made."""


def put_real_signature(memory: MemoryRegistry) -> None:
    payload = REAL["payload"].encode()
    memory.blobs[REPOSITORY.path, digest_bytes(payload)] = payload
    memory.manifests[REPOSITORY.path, signature_tag(REAL["digest"])] = REAL["manifest"].encode()


def problem_of_real(memory: MemoryRegistry, key: str) -> SignatureProblem | None:
    with Registry(RegistryAccess(public_key=key), transport=memory.transport()) as registry:
        return registry.signature_problem(REPOSITORY, REAL["digest"])


def test_what_cosign_itself_has_signed_is_signed(memory: MemoryRegistry) -> None:
    put_real_signature(memory)
    assert problem_of_real(memory, REAL["publicKey"]) is None


def test_what_cosign_has_signed_is_not_signed_by_another_key(memory: MemoryRegistry) -> None:
    put_real_signature(memory)
    found = problem_of_real(memory, pem_of(KEY))
    assert found is not None
    assert found.reason == "SignatureInvalid"


def test_what_cosign_has_signed_and_somebody_changed_is_not_signed(memory: MemoryRegistry) -> None:
    changed = REAL["payload"].encode() + b" "
    manifest = json.loads(REAL["manifest"])
    manifest["layers"][0] |= {"digest": digest_bytes(changed), "size": len(changed)}
    memory.blobs[REPOSITORY.path, digest_bytes(changed)] = changed
    memory.manifests[REPOSITORY.path, signature_tag(REAL["digest"])] = json.dumps(manifest).encode()
    found = problem_of_real(memory, REAL["publicKey"])
    assert found is not None
    assert found.reason == "SignatureInvalid"
