"""What a registry holds, by name: repositories below a path, and the tags in one.

Must not: be needed to find a version; `in-<inputs hash>` and digests do that. Many registries refuse their catalog to ordinary users, so
whoever asks for it must have another way, or say what could not be looked at.
"""

import json
from collections.abc import Iterator

import httpx

from llmos.artifacts.repository import Repository
from llmos.artifacts.transport import Transport, failure_of, registry_url
from llmos.errors import PermanentError

__all__ = ["list_repositories", "list_tags"]

_PAGE = 200
"""Names a page: a page of the longest names still fits into what the client reads as a document."""


def list_repositories(transport: Transport, below: Repository) -> list[Repository] | None:
    """Return all repositories under a path, sorted; None if this registry shows its catalog to nobody, or not to us."""
    found: list[Repository] = []
    # The catalog is of the registry, not of a repository: any path stands for the host here.
    for names in _pages(transport, f"{_base(transport, below)}/v2/_catalog", "repositories"):
        if names is None:
            return None
        found += [Repository(below.host, name) for name in names if name.startswith(f"{below.path}/")]
    return sorted(found, key=str)


def list_tags(transport: Transport, repository: Repository) -> list[str]:
    """Return all tags of a repository, sorted; none if the registry has no such repository."""
    tags: list[str] = []
    for names in _pages(transport, registry_url(transport.access, repository, "tags/list"), "tags", missing=(404,)):
        tags += names or []
    return sorted(tags)


def _base(transport: Transport, below: Repository) -> str:
    return f"{'http' if transport.access.plain_http else 'https'}://{below.host}"


def _pages(transport: Transport, url: str, field: str, *, missing: tuple[int, ...] = (401, 403, 404, 405)) -> Iterator[list[str] | None]:
    """Yield page after page; one None where the answer is a status of `missing`."""
    page: str | None = f"{url}?n={_PAGE}"
    while page is not None:
        response = transport.request("GET", page, ok=(200, *missing))
        if response.status_code != 200:
            yield None
            return
        yield _names(response, field)
        # Only the Link header says that there is more: some registries answer with fewer names than were asked for.
        further = response.links.get("next", {}).get("url")
        page = str(response.request.url.join(further)) if further else None


def _names(response: httpx.Response, field: str) -> list[str]:
    try:
        names = json.loads(response.content).get(field)
    except (ValueError, AttributeError):
        raise PermanentError(f"{failure_of(response).message}, and what it lists is not JSON", reason="RegistryUnavailable") from None
    return [str(name) for name in names or []]
