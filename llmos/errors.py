"""The one exception tree of LLMOS; every part raises these and maps them once, at its edge.

    LlmosError(message, *, reason)    reason: CamelCase, becomes the condition's reason
    ├── ConfigError                   the user's spec or config is wrong           exit 65, Stalled
    ├── NotFoundError                 something that was named does not exist      exit 75, retried slowly
    ├── DependencyNotReady            it exists and is not ready                   exit 75, retried
    ├── TransientError                network, 5xx, time-outs                      exit 75, retried with backoff
    └── PermanentError                only a person can mend it (wrong checksum)   exit 65, Stalled

Must not: know Kubernetes, kopf or HTTP. Whoever catches decides what a class means there; the exit code stands here because every
workload shares it.
"""

from typing import ClassVar, Final

__all__ = [
    "EXIT_PERMANENT",
    "EXIT_RETRY",
    "ConfigError",
    "DependencyNotReady",
    "LlmosError",
    "NotFoundError",
    "PermanentError",
    "TransientError",
]

EXIT_PERMANENT: Final = 65
"""sysexits' EX_DATAERR: the Job's podFailurePolicy fails the Job at once."""

EXIT_RETRY: Final = 75
"""sysexits' EX_TEMPFAIL: the Job tries again, up to its backoffLimit."""


class LlmosError(Exception):
    """Anything LLMOS says went wrong, in one sentence that names the thing and the remedy."""

    exit_code: ClassVar[int] = EXIT_RETRY

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call the class without `reason`, and then no error would cross a process pool.
        return (_rebuild, (type(self), self.message, self.reason))


def _rebuild(kind: type[LlmosError], message: str, reason: str) -> LlmosError:
    return kind(message, reason=reason)


class ConfigError(LlmosError):
    """The user's spec or configuration is wrong; only changing it helps."""

    exit_code: ClassVar[int] = EXIT_PERMANENT


class NotFoundError(LlmosError):
    """Something that was named does not exist (yet)."""


class DependencyNotReady(LlmosError):
    """Something that was named exists and is not ready."""


class TransientError(LlmosError):
    """The network, a server or a time limit; trying again is the remedy."""


class PermanentError(LlmosError):
    """Trying again cannot help; a person has to mend something."""

    exit_code: ClassVar[int] = EXIT_PERMANENT
