"""`spec.source` of a Model: where weights come from, and how that place is reached.

Owns: which part of a source is hashed. What decides the content is; how the place is reached (a login, plain HTTP) is not, so that a
renamed Secret repeats no import. Must not: build volumes; `desired.source` does.
"""

from llmos_operator.api.parts import Followed, Part
from llmos_operator.names import Json

__all__ = ["HttpFile", "HttpSource", "ModelSource", "PythonPackage", "RemoteSource"]


class PythonPackage(Part):
    """A wheel, pinned by version and checksum."""

    name: str
    version: str
    sha256: str
    path: str | None = None


class HttpFile(Part):
    """A file by address and checksum."""

    url: str
    sha256: str
    path: str


class RemoteSource(Part):
    """A place that may want a login. How it is reached decides no content, so it is in no hash."""

    secret_name: str | None = None

    @property
    def access(self) -> Json:
        """Return how it is reached, as far as the user said."""
        return {"secretName": self.secret_name} if self.secret_name else {}

    def hashed(self) -> Json:
        """Return what decides the content."""
        return {name: value for name, value in self.to_json().items() if name not in {"secretName", "plainHTTP"}}


class HttpSource(RemoteSource):
    """A folder, file by file."""

    files: tuple[HttpFile, ...]


class ModelSource(Part):
    """Where weights come from: exactly one."""

    python_package: PythonPackage | None = None
    http: HttpSource | None = None
    training_job: Followed | None = None

    @property
    def access(self) -> Json:
        """Return how the source is reached: what its pod needs and its content does not depend on."""
        return self.http.access if self.http else {}

    def hashed(self) -> Json:
        """Return what decides the content; a TrainingJob's version is in the parents."""
        if self.python_package:
            return {"pythonPackage": self.python_package.to_json()}
        return {"http": self.http.hashed()} if self.http else {"trainingJob": {}}
