"""A source's Secret goes to the hosts it names and nowhere else, and is never said aloud."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from llmos.errors import ConfigError, TransientError
from llmos.workload import SourceSecret, redact
from llmos.workload.source_secret import AllowedHosts


def secret(folder: Path, **keys: str) -> SourceSecret:
    for key, text in keys.items():
        (folder / key).write_text(text)
    return SourceSecret(folder)


@pytest.mark.parametrize(
    ("lines", "url"),
    [
        ("models.example.org", "https://models.example.org/a"),
        ("models.example.org:443", "https://models.example.org/a"),
        ("a.example\r\n\n  models.example.org:8443  \n", "https://MODELS.example.org:8443/a?b#c"),
        ("http://mirror:8080", "http://mirror:8080/a"),
        ("http://mirror", "http://mirror:80/a"),
        ("[::1]:5000", "https://[::1]:5000/a"),
    ],
)
def test_an_address_of_a_named_host_is_allowed(lines: str, url: str) -> None:
    AllowedHosts(lines).check(url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://evil.example/a", "evil.example"),
        ("https://models.example.org.evil.example/a", "models.example.org.evil.example"),
        ("https://models.example.org@evil.example/a", "evil.example"),
        ("https://models.example.org:8443/a", "models.example.org:8443"),
        ("http://models.example.org/a", "http://models.example.org"),
        ("http://models.example.org:443/a", "http://models.example.org:443"),
        ("https://sub.models.example.org/a", "sub.models.example.org"),
    ],
)
def test_any_other_is_refused_in_one_sentence_that_says_what_to_add(url: str, wanted: str) -> None:
    with pytest.raises(TransientError) as caught:
        AllowedHosts("models.example.org").check(url)
    assert caught.value.reason == "InvalidConfig"
    assert f"may not be sent to {wanted}: its key `hosts` names models.example.org:443; add `{wanted}` there" in caught.value.message


@pytest.mark.parametrize("line", ["https://a/b", "ftp://a", "*.example.org", "a b", "me:secret@a", "https://", "a:x"])
def test_a_line_that_is_no_host_is_refused(line: str) -> None:
    with pytest.raises(TransientError, match="write host, host:port, or http://host:port"):
        AllowedHosts(line)


def test_an_address_that_is_none_is_the_spec_s_mistake() -> None:
    with pytest.raises(ConfigError, match="is no address"):
        AllowedHosts("a").check("https://a:x")


@pytest.mark.parametrize("keys", [{}, {"hosts": ""}, {"hosts": "\n \n"}])
def test_a_secret_that_names_no_host_is_sent_nowhere(tmp_path: Path, keys: dict[str, str]) -> None:
    with pytest.raises(TransientError, match="`hosts`"):
        _ = secret(tmp_path, token="t0psecret", **keys).hosts


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "must have either `token`, or `username` and `password`; it has hosts"),
        ({"token": "t0psecret", "username": "me", "password": "s3cret"}, "it has hosts, password, token, username"),
        ({"username": "me"}, "has no key `password`"),
    ],
)
def test_a_login_is_a_token_or_a_name_with_a_password(tmp_path: Path, keys: dict[str, str], message: str) -> None:
    with pytest.raises(TransientError, match=message) as caught:
        secret(tmp_path, hosts="a", **keys).http_auth()
    assert "s3cret" not in caught.value.message


def test_the_login_is_added_for_its_hosts_only(tmp_path: Path) -> None:
    auth = secret(tmp_path, hosts="a.example\nhttp://b.example:81", username="me", password="correct horse\n").http_auth()
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[str(request.url)] = request.headers.get("authorization")
        return httpx.Response(200)

    with httpx.Client(auth=auth, transport=httpx.MockTransport(answer)) as client:
        for url in ("https://a.example/x", "http://b.example:81/x", "http://a.example/x", "https://c.example/x"):
            client.get(url)
    assert list(seen.values()) == ["Basic bWU6Y29ycmVjdCBob3JzZQ==", "Basic bWU6Y29ycmVjdCBob3JzZQ==", None, None]


def test_a_secret_is_read_anew_because_the_kubelet_replaces_it(tmp_path: Path) -> None:
    mounted = secret(tmp_path, hosts="a", token="first-token")
    (tmp_path / "token").write_text("second-token")
    assert mounted.value("token") == "second-token"


def test_what_was_read_is_blanked_in_everything_said(tmp_path: Path) -> None:
    mounted = secret(tmp_path, hosts="a.example", username="me", password="correct horse battery")
    mounted.http_auth()
    said = redact("401 for bWU6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5, correct horse battery, at a.example")
    assert said == "401 for ***, ***, at a.example"
