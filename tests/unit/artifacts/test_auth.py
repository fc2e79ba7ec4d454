"""Credentials and challenges: Basic, Bearer, identity tokens, rotation, and whom secrets are never sent to."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmos.artifacts import AsyncArtifacts, Registry, RegistryAccess, Repository
from llmos.artifacts.auth import Credentials, load_credentials
from llmos.errors import TransientError
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.artifacts.registry_behaviour import push

REPOSITORY = Repository("registry.test", "demo")
NO_SUCH = "sha256:" + "0" * 64


def write_config(path: Path, entry: dict[str, Any], host: str = "registry.test") -> str:
    path.write_text(json.dumps({"auths": {host: entry}}))
    return str(path)


def basic(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def client(memory: MemoryRegistry, credentials_file: str | None) -> Registry:
    return Registry(RegistryAccess(credentials_file=credentials_file), transport=memory.transport(), sleep=lambda _seconds: None)


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_registry_that_asks_gets_the_credentials(tmp_path: Path, scheme: str) -> None:
    memory = MemoryRegistry(scheme=scheme, users={"me": "pass:word"})
    with client(memory, write_config(tmp_path / "config.json", basic("me", "pass:word"))) as registry:
        pushed = push(registry, REPOSITORY, tmp_path)
        assert registry.fetch_payload(REPOSITORY, pushed.digest, tmp_path / "out").is_dir()


async def test_the_operator_answers_the_same_challenges(tmp_path: Path) -> None:
    memory = MemoryRegistry(scheme="Bearer", users={"me": "secret"})
    access = RegistryAccess(credentials_file=write_config(tmp_path / "config.json", basic("me", "secret")))
    artifacts = AsyncArtifacts(access, transport=memory.transport())
    assert await artifacts.find_version(REPOSITORY, NO_SUCH) is None
    await artifacts.aclose()


def test_a_token_is_fetched_once_and_again_when_it_is_no_longer_good(tmp_path: Path) -> None:
    memory = MemoryRegistry(scheme="Bearer", users={"me": "secret"})
    with client(memory, write_config(tmp_path / "config.json", basic("me", "secret"))) as registry:
        for _ in range(3):
            registry.find_version(REPOSITORY, NO_SUCH)
        tokens = [path for method, path in memory.requests if method == "TOKEN"]
        assert tokens == ["service=registry.test&scope=repository%3Ademo%3Apull%2Cpush"]
        memory.tokens.clear()
        assert registry.find_version(REPOSITORY, NO_SUCH) is None


def test_an_identity_token_is_exchanged(tmp_path: Path) -> None:
    memory = MemoryRegistry(scheme="Bearer")
    with client(memory, write_config(tmp_path / "config.json", {"identitytoken": "good"})) as registry:
        assert registry.find_version(REPOSITORY, NO_SUCH) is None


def test_a_rotated_secret_is_used_without_a_restart(tmp_path: Path) -> None:
    memory = MemoryRegistry(scheme="Bearer", users={"me": "new"})
    path = tmp_path / "config.json"
    with client(memory, write_config(path, basic("me", "old"))) as registry:
        with pytest.raises(TransientError, match="check the credentials"):
            registry.find_version(REPOSITORY, NO_SUCH)
        write_config(path, basic("me", "new"))
        assert registry.find_version(REPOSITORY, NO_SUCH) is None


def test_wrong_credentials_are_named_without_being_shown(tmp_path: Path) -> None:
    memory = MemoryRegistry(scheme="Basic", users={"me": "right"})
    with (
        client(memory, write_config(tmp_path / "config.json", basic("me", "hunter2"))) as registry,
        pytest.raises(TransientError) as caught,
    ):
        registry.find_version(REPOSITORY, NO_SUCH)
    assert "answered 401" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_credentials_of_another_registry_stay_at_home(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    access = RegistryAccess(credentials_file=write_config(tmp_path / "config.json", basic("me", "secret"), host="other.test"))
    with Registry(access, transport=httpx.MockTransport(handle), sleep=lambda _seconds: None) as registry, pytest.raises(TransientError):
        registry.find_version(REPOSITORY, NO_SUCH)
    assert all("authorization" not in request.headers for request in seen)


def test_a_redirect_to_storage_carries_no_credentials(tmp_path: Path) -> None:
    seen: dict[str, list[httpx.Request]] = {}

    def handle(request: httpx.Request) -> httpx.Response:
        seen.setdefault(request.url.host, []).append(request)
        if request.url.host == "storage.test":
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        if "authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return httpx.Response(307, headers={"Location": "https://storage.test/blob?signature=s"})

    access = RegistryAccess(credentials_file=write_config(tmp_path / "config.json", basic("me", "secret")))
    with Registry(access, transport=httpx.MockTransport(handle), sleep=lambda _seconds: None) as registry, pytest.raises(TransientError):
        registry.find_version(REPOSITORY, NO_SUCH)
    assert seen["storage.test"]
    assert all("authorization" not in request.headers for request in seen["storage.test"])


def test_credentials_are_not_sent_to_a_token_server_without_tls(tmp_path: Path) -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="http://auth.test/token"'})

    access = RegistryAccess(credentials_file=write_config(tmp_path / "config.json", basic("me", "secret")))
    with (
        Registry(access, transport=httpx.MockTransport(handle), sleep=lambda _seconds: None) as registry,
        pytest.raises(TransientError, match="not https"),
    ):
        registry.find_version(REPOSITORY, NO_SUCH)
    assert set(seen) == {"registry.test"}


def test_entries_are_read_in_every_form_docker_writes(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    assert load_credentials(write_config(path, basic("a", "b:c")), "registry.test") == Credentials("a", "b:c")
    assert load_credentials(write_config(path, {"username": "a", "password": "b"}), "registry.test") == Credentials("a", "b")
    assert load_credentials(write_config(path, basic("a", "b"), host="https://registry.test"), "registry.test") == Credentials("a", "b")
    assert load_credentials(write_config(path, basic("a", "b")), "elsewhere.test") == Credentials()
    assert load_credentials(None, "registry.test") == Credentials()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"auths": {"registry.test": {"auth": "!!!"}}}', "malformed entry"),
        ('{"auths": {"registry.test": 7}}', "malformed entry"),
        ('{"credsStore": "desktop"}', "credential helper"),
        ('{"credHelpers": {"registry.test": "ecr-login"}}', "credential helper"),
    ],
)
def test_a_file_that_cannot_serve_is_named_with_the_remedy_and_read_again_later(tmp_path: Path, content: str, message: str) -> None:
    """It is a mounted Secret: correcting it changes no spec, so nothing may stall on it."""
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(TransientError, match=message):
        load_credentials(str(tmp_path / "config.json"), "registry.test")


def test_secrets_do_not_show_in_a_repr() -> None:
    assert "s3cret" not in repr(Credentials("me", "s3cret", "s3cret", "s3cret"))
