"""Fetching a source from the Hugging Face Hub, or a server that speaks its HTTP API: a repository at one commit.

huggingface_hub answers what a revision is and what it holds, names its errors, and knows its cache. The bytes come by our own stream,
because the library checks their number and not their hash. Must not: run code of a repository, use a token that no Secret of the source
holds, or send one anywhere but to the endpoint.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.retrying import retry_transient
from llmos.workload.http_stream import TIMEOUT_S, open_client, shown, stream_into
from llmos.workload.hugging_face_cache import SHA1, SHA256, HubFile, HuggingFaceRepository, copy_cached, no_model_in, take_from_cache
from llmos.workload.report import Reporter
from llmos.workload.source_secret import SourceSecret
from llmos.workload.transfer import Meter, arriving_folder, place_inside

__all__ = ["HuggingFaceRepository", "fetch_hugging_face"]


def fetch_hugging_face(
    wished: HuggingFaceRepository,
    into: Path,
    *,
    wanted: Callable[[str], bool],
    secret: SourceSecret | None = None,
    reporter: Reporter | None = None,
    sleep: Callable[[float], None] = time.sleep,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Bring the wanted files of a repository into a new folder.

    A file that the library's cache has (HF_HOME, HF_HUB_CACHE) is taken from there; with HF_HUB_OFFLINE nothing is asked of anybody.

    Args:
        into: must not exist yet; it appears when everything is there and checked.
        wanted: says of a file's path whether it is taken.
        secret: its key `token`, for an endpoint among its `hosts`.

    Returns: `repository@commit`: what the revision stood for.
    Raises: NotFoundError if there is no such repository or revision (yet); TransientError if the server does not answer, or refuses us;
        PermanentError (InvalidSource, ChecksumMismatch) for what cannot be used; ConfigError (InvalidSpec).
    """
    from huggingface_hub import constants

    # It would tell the Hub who asks, and ask it for lists, whatever the endpoint is.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    if constants.is_offline_mode():
        return take_from_cache(wished, into, wanted)
    endpoint = (wished.endpoint or constants.ENDPOINT).rstrip("/")
    token = _token(secret, endpoint)
    commit, files = retry_transient(partial(_list_files, wished, endpoint, token, timeout_s), sleep=sleep)
    taken = [file for file in files if wanted(file.path)]
    if not taken:
        raise no_model_in(wished, [file.path for file in files])
    meter = Meter(reporter, num_files=len(taken))
    auth = secret.http_auth() if secret is not None else None
    with arriving_folder(into) as folder, open_client(auth, timeout_s=timeout_s) as client:
        for file in taken:
            meter.begin(file.path)
            target = place_inside(folder, file.path, f"the repository {wished.repository}")
            if not copy_cached(wished, commit, file, target):
                _download(client, _url(wished, endpoint, commit, file), file, target, meter, wished, sleep)
    return f"{wished.repository}@{commit}"


def _token(secret: SourceSecret | None, endpoint: str) -> str | bool:
    """Return the token, having seen that it may be sent there; False: none, whatever this machine may have lying about."""
    if secret is None:
        return False
    secret.hosts.check(endpoint)
    return secret.value("token")


def _list_files(wished: HuggingFaceRepository, endpoint: str, token: str | bool, timeout_s: float) -> tuple[str, list[HubFile]]:
    """Ask what a revision is now: its commit, and its files with sizes and hashes."""
    from huggingface_hub import HfApi

    with _explained(wished, endpoint, has_token=bool(token)):
        info = HfApi(endpoint=endpoint, token=token).model_info(
            wished.repository, revision=wished.revision, files_metadata=True, timeout=timeout_s
        )
    if not info.sha or not SHA1.match(info.sha):
        raise PermanentError(f"{endpoint} names no commit for {wished}; is it a Hub of models?", reason="InvalidSource")
    return info.sha, [_read_file(item, endpoint) for item in info.siblings or ()]


def _read_file(item: Any, endpoint: str) -> HubFile:
    known = item.lfs.sha256 if item.lfs else item.blob_id
    if not isinstance(known, str) or not (SHA256 if item.lfs else SHA1).match(known) or not isinstance(item.size, int):
        raise PermanentError(f"{endpoint} gives no size and hash for {item.rfilename!r:.100}; it cannot be checked", reason="InvalidSource")
    return HubFile(item.rfilename, item.size, known)


def _url(wished: HuggingFaceRepository, endpoint: str, commit: str, file: HubFile) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(wished.repository, file.path, revision=commit, endpoint=endpoint)


def _download(
    client: httpx.Client,
    url: str,
    file: HubFile,
    target: Path,
    meter: Meter,
    wished: HuggingFaceRepository,
    sleep: Callable[[float], None],
) -> None:
    with file.open_arrival(target) as arrival:
        stream_into(client, url, arrival, meter, refused=partial(_refused, wished=wished), expected_bytes=file.size_bytes, sleep=sleep)
    if (found := arrival.digest()) != file.hash:
        raise PermanentError(
            f"{file.path} of {wished} must have hash {file.hash} and has {found}; ask who changed the file", reason="ChecksumMismatch"
        )


def _refused(response: httpx.Response, wished: HuggingFaceRepository) -> LlmosError:
    what = f"{shown(response.request.url)} answered {response.status_code}"
    if response.status_code in (404, 410):
        return NotFoundError(f"{what}: {wished} lists a file that is not there; it is looked for again by itself", reason="InvalidSource")
    return TransientError(f"{what} for a file of {wished}", reason="InvalidSource")


@contextmanager
def _explained(wished: HuggingFaceRepository, endpoint: str, *, has_token: bool) -> Iterator[None]:
    """Turn the library's errors into ours: one sentence each, and whether trying again can help."""
    import httpx2
    from huggingface_hub import errors

    login = "the token in the Secret of the source" if has_token else "a token, in a Secret named by huggingFace.secretName"
    try:
        yield
    except errors.GatedRepoError as error:
        raise TransientError(
            f"{wished.repository} is gated: accept its conditions at {endpoint}, with the account of {login}", reason="InvalidSource"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise NotFoundError(
            f"{wished.repository} has no revision {wished.revision}; correct huggingFace.revision; it is looked for again by itself",
            reason="InvalidSource",
        ) from error
    except errors.HFValidationError as error:
        raise ConfigError(f"huggingFace.repository: {error}", reason="InvalidSpec") from error
    except errors.HfHubHTTPError as error:
        # A Hub answers 401 to strangers, whether it hides a repository or has none.
        if isinstance(error, errors.RepositoryNotFoundError) or (error.response.status_code == 401 and not has_token):
            hidden = f"hides it from {login}" if has_token else f"shows it only with {login}"
            raise NotFoundError(
                f"{endpoint} has no repository {wished.repository}, or {hidden}; it is looked for again by itself", reason="InvalidSource"
            ) from error
        raise _about_status(error.response.status_code, f"{endpoint} answered {error.response.status_code} for {wished}", login) from error
    except (httpx2.HTTPError, OSError) as error:
        raise TransientError(f"{endpoint} cannot be reached: {type(error).__name__}: {error}", reason="InvalidSource") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TransientError(f"{endpoint} answers what no Hub would ({type(error).__name__})", reason="InvalidSource") from error


def _about_status(status: int, what: str, login: str) -> LlmosError:
    if status in (401, 403):
        # Not permanent: a corrected Secret, or a right that is granted, heals it without a change to any spec.
        return TransientError(f"{what}: it refuses us; correct or add {login}", reason="InvalidSource")
    if status in (408, 425, 429) or status >= 500:
        return TransientError(what, reason="InvalidSource")
    return PermanentError(f"{what}; correct huggingFace", reason="InvalidSource")
