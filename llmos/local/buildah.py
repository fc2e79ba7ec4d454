"""Drive buildah: build one image, push it. Knows nothing of which images there are.

`--isolation chroot` needs neither user namespaces nor systemd, so it works in containers and small virtual machines too.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from llmos.errors import PermanentError
from llmos.local.command import run, tail, try_run
from llmos.local.proxies import without_proxy
from llmos.local.settings import LocalSettings

__all__ = ["Buildah"]

_CA_BUNDLE: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_UV_CACHE_IN_BUILD: Final = "/var/cache/uv"


class Buildah:
    """buildah with a storage of our own, in the cache."""

    def __init__(self, settings: LocalSettings) -> None:
        self._folder = settings.cache / "buildah"
        self._uv_cache = settings.cache / "uv"
        self._logs = settings.cache / "log"
        self._command = [
            "buildah",
            f"--root={self._folder}/storage",
            "--runroot=/run/llmos-buildah",
            "--storage-driver=overlay",
        ]

    def has(self, tag: str) -> bool:
        """Tell whether an image of this name is in the storage."""
        return try_run([*self._command, "inspect", "--type=image", "--format={{.FromImageID}}", tag]).returncode == 0

    def import_root(self, archive: Path, tag: str) -> None:
        """Make an image of one layer from a root file system's tar."""
        containerfile = archive.parent / "Containerfile"
        containerfile.write_text(f'FROM scratch\nADD {archive.name} /\nCMD ["/bin/sh"]\n')
        self.build(containerfile, archive.parent, tag, arguments={}, trust_host=False)

    def build(self, containerfile: Path, context: Path, tag: str, *, arguments: Mapping[str, str], trust_host: bool = True) -> None:
        """Build an image; unchanged steps come from the layer cache. A failure carries the log's end."""
        self._uv_cache.mkdir(parents=True, exist_ok=True)
        argv = [*self._command, "bud", "--isolation=chroot", "--network=host", "--layers", "--pull-never", f"--tag={tag}"]
        argv += [f"--volume={self._uv_cache}:{_UV_CACHE_IN_BUILD}", f"--build-arg=UV_CACHE_DIR={_UV_CACHE_IN_BUILD}"]
        if trust_host and _CA_BUNDLE.is_file():
            # Networks with a certificate authority of their own: what this machine trusts, the build trusts; it is not kept in the image.
            # Not where Debian's ca-certificates is installed: it replaces that file, and a mounted file cannot be replaced.
            argv.append(f"--volume={_CA_BUNDLE}:{_CA_BUNDLE}:ro")
        argv += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        argv += [f"--file={containerfile}", str(context)]
        log = self._logs / f"image-{tag.rsplit('/', 1)[-1].partition(':')[0]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment(), check=False)
        if code.returncode != 0:
            raise PermanentError(f"building the image {tag} failed; the end of {log}:\n{tail(log)}", reason="BuildFailed")

    def push(self, tag: str, reference: str, *, plain_http: bool, zstd: bool) -> str:
        """Push an image and return its digest; layers that the registry has are not sent again. `zstd`: instead of gzip."""
        digest_file = self._folder / "digest"
        flags = ["--quiet", f"--digestfile={digest_file}", f"--tls-verify={str(not plain_http).lower()}"]
        if zstd:
            flags += ["--format=oci", "--compression-format=zstd", "--compression-level=1"]
        run([*self._command, "push", *flags, tag, f"docker://{reference}"], environment=self._environment(), timeout_s=3600)
        return digest_file.read_text().strip()

    def _environment(self) -> Mapping[str, str]:
        # Temporary files of gigabytes belong beside the storage, not in a /tmp that may be small.
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {**without_proxy(os.environ), "TMPDIR": str(temporary)}
