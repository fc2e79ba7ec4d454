"""An OCI registry in memory, behind httpx's transport port, that can be told to misbehave.

It answers as the distribution specification says; the same behaviour tests run against it and against a real registry, so it cannot drift.
"""

import base64
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from llmos.artifacts import digest_bytes
from llmos.artifacts.manifests import OCI_MANIFEST, parse_manifest

_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs)/(?P<reference>.+)\Z")


@dataclass
class MemoryRegistry:
    host: str = "registry.test"
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    """Statuses for the next requests; 0 is a lost connection."""
    cut_after: int | None = None
    """Break the next blob download after so many bytes."""
    ranges: bool = True
    mounts: bool = True
    creates_repositories: bool = True
    has_catalog: bool = True
    deletes: bool = True
    page: int = 100
    """Names it lists at a time."""
    forgets_uploads: int = 0
    """As many of the next uploads are unknown when their content comes."""
    users: dict[str, str] = field(default_factory=dict)
    scheme: str = ""
    """'' anonymous, 'Basic' or 'Bearer'."""
    tokens: set[str] = field(default_factory=set)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.test":
            return self._grant(request)
        self.requests.append((request.method, request.url.path))
        if self.failures:
            status = self.failures.pop(0)
            if status == 0:
                raise httpx.ConnectError("connection refused")
            return httpx.Response(status, headers={"Location": "/nowhere"})
        if (refusal := self._refuse(request)) is not None:
            return refusal
        if request.url.path == "/v2/_catalog" or request.url.path.endswith("/tags/list"):
            return self._list(request)
        found = _ROUTE.match(request.url.path)
        assert found, request.url.path
        name, what, reference = found.group("name", "what", "reference")
        if name.endswith("/blobs") or reference.startswith("uploads/"):
            return self._upload(request, name, reference.removeprefix("uploads/"))
        return self._manifest(request, name, reference) if what == "manifests" else self._blob(request, name, reference)

    def _upload(self, request: httpx.Request, name: str, session: str) -> httpx.Response:
        if request.method == "POST":
            source, digest = request.url.params.get("from"), request.url.params.get("mount", "")
            if self.mounts and (source, digest) in self.blobs:
                self.blobs[name, digest] = self.blobs[source, digest]
                return httpx.Response(201)
            if not self.creates_repositories:
                return httpx.Response(404, json={"errors": [{"code": "NAME_UNKNOWN"}]})
            session = uuid.uuid4().hex
            self.uploads.add(session)
            return httpx.Response(202, headers={"Location": f"/v2/{name}/blobs/uploads/{session}?_state=x"})
        assert session in self.uploads
        self.uploads.remove(session)
        if request.method == "DELETE":
            return httpx.Response(204)
        assert request.url.params["_state"] == "x", "an upload's Location must be kept whole"
        content, digest = request.read(), request.url.params["digest"]
        if self.forgets_uploads:
            self.forgets_uploads -= 1
            return httpx.Response(404, json={"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]})
        if digest_bytes(content) != digest:
            return httpx.Response(400, json={"errors": [{"code": "DIGEST_INVALID"}]})
        self.blobs[name, digest] = content
        return httpx.Response(201)

    def _list(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix("/v2/").removesuffix("/tags/list")
        kind = "repositories" if name == "_catalog" else "tags"
        names = sorted({where for where, _ in self.manifests} if name == "_catalog" else self.tags(name))
        if (kind == "repositories" and not self.has_catalog) or (kind == "tags" and not names):
            return httpx.Response(404, json={"errors": [{"code": "NAME_UNKNOWN"}]})
        rest = [each for each in names if each > request.url.params.get("last", "")]
        more = f'<{request.url.path}?n={self.page}&last={rest[self.page - 1]}>; rel="next"' if len(rest) > self.page else ""
        return httpx.Response(200, json={kind: rest[: self.page]}, headers={"Link": more} if more else {})

    def tags(self, name: str) -> list[str]:
        return [reference for where, reference in self.manifests if where == name and not reference.startswith("sha256:")]

    def _delete(self, name: str, digest: str) -> httpx.Response:
        """As the specification says: a manifest is deleted by digest, and its tags go with it."""
        if not self.deletes:
            return httpx.Response(405, json={"errors": [{"code": "UNSUPPORTED"}]})
        if (name, digest) not in self.manifests:
            return httpx.Response(404, json={"errors": [{"code": "MANIFEST_UNKNOWN"}]})
        content = self.manifests[name, digest]
        self.manifests = {key: value for key, value in self.manifests.items() if key[0] != name or value != content}
        return httpx.Response(202)

    def _manifest(self, request: httpx.Request, name: str, reference: str) -> httpx.Response:
        if request.method == "PUT":
            content = request.read()
            parsed = parse_manifest(content)
            if any((name, blob.digest) not in self.blobs for blob in (parsed.config, *parsed.layers)):
                return httpx.Response(400, json={"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
            self.manifests[name, reference] = self.manifests[name, parsed.digest] = content
            return httpx.Response(201)
        if request.method == "DELETE":
            return self._delete(name, reference)
        if (name, reference) not in self.manifests:
            return httpx.Response(404, json={"errors": [{"code": "MANIFEST_UNKNOWN"}]})
        content = self.manifests[name, reference]
        return httpx.Response(200, content=content, headers={"Content-Type": OCI_MANIFEST})

    def _blob(self, request: httpx.Request, name: str, digest: str) -> httpx.Response:
        if (name, digest) not in self.blobs:
            return httpx.Response(404, json={"errors": [{"code": "BLOB_UNKNOWN"}]})
        content, status = self.blobs[name, digest], 200
        if request.method == "HEAD":
            return httpx.Response(200, headers={"Content-Length": str(len(content))})
        if self.ranges and (wanted := re.match(r"bytes=(\d+)-", request.headers.get("range", ""))):
            content, status = content[int(wanted.group(1)) :], 206
        if self.cut_after is not None:
            cut, self.cut_after = self.cut_after, None
            return httpx.Response(status, content=_broken_after(content[:cut]))
        return httpx.Response(status, content=content)

    def _refuse(self, request: httpx.Request) -> httpx.Response | None:
        header = request.headers.get("authorization", "")
        if not self.scheme or self._known(header):
            return None
        challenge = 'Basic realm="test"'
        if self.scheme == "Bearer":
            challenge = 'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:demo:pull,push"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    def _known(self, header: str) -> bool:
        if self.scheme == "Bearer":
            return header.removeprefix("Bearer ") in self.tokens
        return header.startswith("Basic ") and self._is_user(header)

    def _is_user(self, header: str) -> bool:
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return self.users.get(user) == password

    def _grant(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(("TOKEN", str(request.url.params)))
        if request.method == "GET" and self._is_user(request.headers.get("authorization", "Basic ")):
            self.tokens.add(token := uuid.uuid4().hex)
            return httpx.Response(200, json={"token": token, "expires_in": 60})
        if request.method == "POST" and "refresh_token=good" in request.read().decode():
            self.tokens.add(token := uuid.uuid4().hex)
            return httpx.Response(200, json={"access_token": token})
        return httpx.Response(401, json={"errors": [{"code": "UNAUTHORIZED"}]})


def _broken_after(content: bytes) -> Iterator[bytes]:
    yield content
    raise httpx.ReadError("connection reset by peer")
