"""A minimal Debian 12 as a base image, without Docker Hub: debootstrap from the mirror that this machine's apt uses.

No mirror is named here. Debian cannot be pinned without a snapshot service; instead its signatures are checked, security updates are in,
and what was made is kept until `make clean`.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError
from llmos.local.buildah import Buildah
from llmos.local.command import run
from llmos.local.files import locked
from llmos.local.progress import step
from llmos.local.settings import LocalSettings

__all__ = ["DEBIAN_IMAGE", "ensure_debian"]

_CODENAME: Final = "bookworm"
DEBIAN_IMAGE: Final = f"localhost/llmos/debian:{_CODENAME}"


def ensure_debian(settings: LocalSettings, buildah: Buildah) -> None:
    """Make the image unless it is there."""
    with locked(settings.cache / "lock" / "debian", purpose="making the Debian image"):
        if buildah.has(DEBIAN_IMAGE):
            return
        archive = settings.cache / "debian" / f"{_CODENAME}.tar"
        if not archive.is_file():
            with step("making a minimal Debian with debootstrap (about a minute, once)"):
                _bootstrap(archive)
        with step("importing the Debian image"):
            buildah.import_root(archive, DEBIAN_IMAGE)


def _bootstrap(archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    sources = _apt_sources()
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder) / "root"
        run(["debootstrap", "--variant=minbase", "--include=ca-certificates", _CODENAME, root, sources[0][0]], timeout_s=1800)
        lines = [f"deb {address} {suite} main\n" for address, suite in sources]
        (root / "etc" / "apt" / "sources.list").write_text("".join(lines))
        shutil.rmtree(root / "var" / "cache" / "apt", ignore_errors=True)
        partial = archive.with_suffix(".partial")
        run(["tar", "--create", "--file", partial, "--directory", root, "--sort=name", "--numeric-owner", "."], timeout_s=600)
        partial.replace(archive)


def _apt_sources() -> list[tuple[str, str]]:
    """Return (address, suite) of this machine's Debian 12 sources, the main one first."""
    listing = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages", "Component: main"])
    sources = {(address, suite) for address, suite in (line.split() for line in listing.splitlines()) if suite.startswith(_CODENAME)}
    if not any(suite == _CODENAME for _, suite in sources):
        raise ConfigError(f"apt on this machine has no source for Debian 12 ({_CODENAME}); run `apt-get update`", reason="NoDebianMirror")
    return sorted(sources, key=lambda source: (source[1] != _CODENAME, source[1]))
