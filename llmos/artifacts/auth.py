"""Who we are to a registry: credentials from a docker `config.json`, and the challenge flow (Basic, Bearer).

One httpx.Auth serves the sync and the async client. Must not: log or put into a message anything that is secret.
"""

import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from llmos.artifacts.repository import RegistryAccess
from llmos.errors import TransientError

__all__ = ["Credentials", "RegistryAuth", "load_credentials"]

_PARAMETER: Final = re.compile(r'([A-Za-z_]+)="((?:[^"\\]|\\.)*)"')
_NAME: Final = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags)/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a docker config says for one registry; anonymous when all are empty."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The Basic authorization header, or ''."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def load_credentials(path: str | None, host: str) -> Credentials:
    """Read the entry for a registry host from a docker `config.json`; anonymous if there is no file or no entry.

    Raises: TransientError if the file cannot be read, or names a credential helper instead of credentials: it is a mounted Secret, and
        correcting that changes no spec, so trying again must be what heals it.
    """
    if path is None:
        return Credentials()
    try:
        document = json.loads(Path(path).read_text())
        auths = document.get("auths") or {}
        entry = next((auths[key] for key in (host, f"https://{host}", f"http://{host}") if key in auths), None)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise TransientError(
            f"registry credentials file {path} cannot be read as a docker config.json ({type(error).__name__}); "
            "mount a Secret of type kubernetes.io/dockerconfigjson",
            reason="RegistryUnavailable",
        ) from error
    if entry is None:
        if document.get("credsStore") or host in (document.get("credHelpers") or {}):
            raise TransientError(
                f"registry credentials file {path} names a credential helper for {host}, which does not exist here; "
                "write the credentials under `auths`",
                reason="RegistryUnavailable",
            )
        return Credentials()
    return _parse_entry(entry, path, host)


def _parse_entry(entry: Any, path: str, host: str) -> Credentials:
    try:
        username, password = str(entry.get("username", "")), str(entry.get("password", ""))
        if entry.get("auth"):
            username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        return Credentials(username, password, str(entry.get("identitytoken", "")), str(entry.get("registrytoken", "")))
    except (AttributeError, TypeError, UnicodeDecodeError, binascii.Error):
        raise TransientError(
            f"registry credentials file {path} has a malformed entry for {host}; `auth` must be base64 of user:password",
            reason="RegistryUnavailable",
        ) from None


class RegistryAuth(httpx.Auth):
    """Answers a registry's 401 once a request, and remembers what worked for each repository."""

    def __init__(self, access: RegistryAccess) -> None:
        self._access = access
        self._headers: dict[tuple[str, str, bool], str] = {}

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send, and on a challenge fetch a token and send again."""
        key = self._authorize(request)
        response = yield request
        step = self._answer(request, response, key)
        if isinstance(step, httpx.Request):
            granted = yield step
            granted.read()
            step = self._remember(granted, key)
        if step:
            request.headers["Authorization"] = step
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same for the async client."""
        key = self._authorize(request)
        response = yield request
        step = self._answer(request, response, key)
        if isinstance(step, httpx.Request):
            granted = yield step
            await granted.aread()
            step = self._remember(granted, key)
        if step:
            request.headers["Authorization"] = step
            yield request

    def _authorize(self, request: httpx.Request) -> tuple[str, str, bool]:
        """Add what worked last time for this repository and direction; return the key it is kept under."""
        found = _NAME.match(request.url.path)
        key = (_netloc(request.url), found.group(1) if found else "", request.method not in ("GET", "HEAD"))
        if header := self._headers.get(key):
            request.headers["Authorization"] = header
        return key

    def _answer(self, request: httpx.Request, response: httpx.Response, key: tuple[str, str, bool]) -> httpx.Request | str:
        """Return the token request or the header that answers a 401, or '' where nothing can."""
        # A redirect may have ended at another host (object storage): its 401 is not a question to us.
        if response.status_code != 401 or _netloc(response.request.url) != key[0]:
            return ""
        # Read again on every challenge: a rotated Secret is then used without a restart.
        credentials = load_credentials(self._access.credentials_file, key[0])
        for challenge in response.headers.get_list("www-authenticate"):
            scheme, _, rest = challenge.partition(" ")
            parameters = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
            if scheme.lower() == "bearer" and credentials.registry_token:
                return self._keep(key, f"Bearer {credentials.registry_token}")
            if scheme.lower() == "bearer" and parameters.get("realm"):
                return self._token_request(parameters, credentials, key)
            if scheme.lower() == "basic" and credentials.basic:
                return self._keep(key, credentials.basic)
        return ""

    def _token_request(self, parameters: dict[str, str], credentials: Credentials, key: tuple[str, str, bool]) -> httpx.Request:
        realm = httpx.URL(parameters["realm"])
        if realm.scheme != "https" and not self._access.plain_http:
            raise TransientError(
                f"registry {key[0]} sends credentials to {realm.scheme}://{realm.host}, which is not https; "
                "set artifacts.plainHTTP only if that is meant",
                reason="RegistryUnavailable",
            )
        default_scope = f"repository:{key[1]}:{'pull,push' if key[2] else 'pull'}" if key[1] else ""
        query = {"service": parameters.get("service", ""), "scope": parameters.get("scope", default_scope)}
        query = {name: value for name, value in query.items() if value}
        if credentials.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": credentials.identity_token, "client_id": "llmos", **query}
            return httpx.Request("POST", realm, data=form)
        headers = {"Authorization": credentials.basic} if credentials.basic else {}
        return httpx.Request("GET", realm.copy_merge_params(query), headers=headers)

    def _remember(self, granted: httpx.Response, key: tuple[str, str, bool]) -> str:
        if granted.status_code >= 400:
            raise TransientError(
                f"the token server {granted.request.url.host} of registry {key[0]} answered {granted.status_code}; check the credentials",
                reason="RegistryUnavailable",
            )
        try:
            document = granted.json()
            token = document.get("token") or document["access_token"]
        except (ValueError, KeyError, AttributeError):
            raise TransientError(f"the token server of registry {key[0]} answered without a token", reason="RegistryUnavailable") from None
        return self._keep(key, f"Bearer {token}")

    def _keep(self, key: tuple[str, str, bool], header: str) -> str:
        self._headers[key] = header
        return header


def _netloc(url: httpx.URL) -> str:
    return url.netloc.decode()
