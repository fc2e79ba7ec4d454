"""What is asked of a bucket, and what its answers mean: obstore's errors as ours, one sentence each.

Must not: ask anybody.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError

__all__ = ["S3Folder", "explained", "replaced"]

_DEFAULT_REGION: Final = "us-east-1"
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True, slots=True)
class S3Folder:
    """What lies below a prefix of a bucket."""

    bucket: str
    prefix: str = ""
    """Without a slash at its end; empty: the whole bucket."""
    endpoint: str = ""
    """`http(s)://host[:port]`; empty: AWS."""
    region: str = ""
    """Empty: what AWS_REGION says, else us-east-1."""
    files: Mapping[str, str] | None = None
    """Path below the prefix to SHA-256 in hex; None: `paths`."""

    paths: Sequence[str] = ()
    """Exactly these below the prefix, unchecked and without a listing; empty: whatever a listing finds."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def used_region(self) -> str:
        """The region that requests are signed for."""
        return self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _DEFAULT_REGION

    @property
    def used_endpoint(self) -> str:
        """The address that is asked."""
        return self.endpoint.rstrip("/") or f"https://s3.{self.used_region}.amazonaws.com"


def replaced(folder: S3Folder, path: str) -> NotFoundError:
    """Build the error for an object that is not what was listed any more."""
    # The object that was listed is not there any more: asking for it again within seconds would not bring it back.
    return NotFoundError(f"{path} of {folder} was replaced while it was read; it is tried again", reason="InvalidSource")


@contextmanager
def explained(folder: S3Folder, path: str = "") -> Iterator[None]:
    """Turn the library's errors into ours: one sentence each, and whether trying again can help."""
    from obstore import exceptions

    what = f"{path} of {folder}" if path else str(folder)
    try:
        yield
    except LlmosError:
        raise
    except exceptions.PreconditionError as error:
        raise replaced(folder, path) from error
    except (FileNotFoundError, exceptions.BaseError) as error:
        raise _meaning(str(error), what, folder) from error
    except ValueError as error:
        raise ConfigError(f"s3: {error}", reason="InvalidSpec") from error


def _meaning(text: str, what: str, folder: S3Folder) -> LlmosError:
    """Read a status out of an error's text: the library has classes for some requests and not for others."""
    status = found.group(1) if (found := _STATUS.search(text)) else ""
    code = f" ({found.group(1)})" if (found := _CODE.search(text)) else ""
    where = f"{folder.used_endpoint} answered {status}{code} for {what}"
    if status == "404":
        return NotFoundError(f"{where}; copy it there, or correct s3; it is looked for again by itself", reason="InvalidSource")
    if status in ("401", "403"):
        # Not permanent: a corrected Secret, or a right that is granted, heals it without a change to any spec.
        return TransientError(f"{where}: it refuses us; correct the keys in s3.secretName, or what they may read", reason="InvalidSource")
    if status.startswith(("3", "4")) and status not in ("408", "429"):
        return PermanentError(f"{where}; correct s3", reason="InvalidSource")
    if status:
        return TransientError(where, reason="InvalidSource")
    first = text.partition("Debug source")[0].strip().splitlines()[0]
    return TransientError(f"{folder.used_endpoint} cannot be reached for {what}: {first:.300}", reason="InvalidSource")
