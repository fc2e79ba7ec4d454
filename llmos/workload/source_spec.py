"""What a source is asked for: the hashed part of a Model's source and of each source of a KnowledgeBase, kind by kind.

How a source is reached (a Secret, a mounted volume, plain HTTP) is no part of it: that is `SourceAccess`, and decides no content.
Must not: fetch anything.
"""

from typing import Annotated

from pydantic import Field

from llmos.workload.spec_part import SpecPart

__all__ = [
    "ConfigMapSource",
    "GitSource",
    "HttpFileSource",
    "HttpSource",
    "OciSource",
    "OutsideSource",
    "PvcSource",
    "S3FileSource",
    "S3Source",
]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Field(min_length=1, max_length=256)]


class HttpFileSource(SpecPart):
    """One file of a folder."""

    url: Annotated[str, Field(pattern=r"^https?://", max_length=2048)]
    sha256: Sha256
    path: RelativePath
    """Where it lies in the folder, such as `config.json`."""


class HttpSource(SpecPart):
    """The files of a folder, each by address and checksum."""

    files: Annotated[tuple[HttpFileSource, ...], Field(min_length=1, max_length=64)]


class OciSource(SpecPart):
    """An artifact in a registry."""

    reference: Annotated[str, Field(min_length=3, max_length=512)]
    """`host[:port]/repository[:tag][@sha256:…]`."""


class PvcSource(SpecPart):
    """A folder of a volume."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253)]
    path: Annotated[str, Field(max_length=256)] = ""
    """The folder; empty: the volume's root."""


class S3FileSource(SpecPart):
    """One object."""

    path: RelativePath
    sha256: Sha256


class S3Source(SpecPart):
    """What lies below a prefix of a bucket."""

    bucket: Annotated[str, Field(min_length=3, max_length=63)]
    prefix: Annotated[str, Field(max_length=512)] = ""
    endpoint: Annotated[str, Field(pattern=r"^https?://", max_length=512)] | None = None
    """Left out: AWS."""

    region: Annotated[str, Field(max_length=64)] | None = None
    files: Annotated[tuple[S3FileSource, ...], Field(min_length=1, max_length=64)] | None = None
    """Exactly these, checked; left out: whatever is wanted of the prefix."""


class GitSource(SpecPart):
    """A Git repository, at one commit."""

    repository: Annotated[str, Field(pattern=r"^https?://", max_length=2048)]
    ref: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """A branch, a tag, a full name such as `refs/heads/main`, or a commit; left out: what the server has as HEAD."""


class ConfigMapSource(SpecPart):
    """Keys of a ConfigMap, which the kubelet mounts as files."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


OutsideSource = HttpSource | OciSource | PvcSource | S3Source | GitSource | ConfigMapSource
"""What `fetch_source` fetches."""
