"""Our images: what each is made of, and making only what changed.

An image's tag is the digest of all that goes into it (its Containerfile, its lock, our sources, its base), so an image that the registry
has under its tag is not looked at again, and a tag never means two things.
"""

import http.client
import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError, PermanentError, TransientError
from llmos.local.buildah import Buildah
from llmos.local.cluster import Cluster
from llmos.local.debian import DEBIAN_IMAGE, ensure_debian
from llmos.local.files import hash_files, locked, write_atomically
from llmos.local.progress import step
from llmos.local.settings import REGISTRY, LocalSettings, source_root

__all__ = ["IMAGES", "BuiltImage", "build_images", "ensure_images", "ensure_local_image", "image_tags"]

IMAGES: Final = ("sidecar", "operator", "triton", "trainer")
"""In the order in which they are built: the quick ones first."""

_LOCKS: Final = {
    "sidecar": ("sidecar.txt",),
    "operator": ("operator.txt",),
    "triton": ("triton.txt",),
    "trainer": ("torch.txt", "trainer.txt"),
}
_ATTEMPTS: Final = 5
_MANIFEST_TYPES: Final = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image in the registry."""

    name: str
    reference: str
    """By digest: what a chart should be given."""
    tag: str
    was_built: bool


def ensure_images(cluster: Cluster, names: Iterable[str] = IMAGES) -> dict[str, str]:
    """Make sure that the cluster's registry has our images; return name → reference by digest."""
    built = build_images(LocalSettings.from_environment(), cluster.registry, names=names, plain_http=cluster.plain_http)
    return {image.name: image.reference for image in built}


def build_images(
    settings: LocalSettings, registry: str, *, names: Iterable[str] = IMAGES, plain_http: bool = True, write: bool = True
) -> Iterator[BuiltImage]:
    """Build and push what the registry lacks, yielding each image when it is there; at the end images.json names them all."""
    root = source_root()
    wanted = list(names)
    if unknown := sorted(set(wanted) - set(IMAGES)):
        raise ConfigError(f"there is no image {unknown[0]!r}; the images are {', '.join(IMAGES)}", reason="InvalidArgument")
    tags = image_tags(root)
    references: dict[str, str] = {}
    with locked(settings.cache / "lock" / "images", purpose="building images"):
        for name in (name for name in IMAGES if name in wanted):
            image = _ensure_image(settings, root, registry, name, tags, plain_http=plain_http)
            references[name] = image.reference
            if write:
                known = json.loads(settings.images_file.read_text()) if settings.images_file.is_file() else {}
                write_atomically(settings.images_file, json.dumps(known | references, indent=1, sort_keys=True) + "\n")
            yield image


def image_tags(root: Path) -> dict[str, str]:
    """Return the tag of every image, base included, from the sources alone."""
    base = hash_files(root, [root / "images" / "base" / "Containerfile"], DEBIAN_IMAGE)[:12]
    ours = hash_files(root, _package_files(root))
    tags = {"base": base}
    for name in IMAGES:
        parts = [path for path in (root / "images" / name).iterdir() if path.is_file()]
        parts += [root / "requirements" / lock for lock in ("uv.txt", *_LOCKS[name])]
        tags[name] = hash_files(root, parts, base, ours)[:12]
    return tags


def _package_files(root: Path) -> list[Path]:
    """Return the files that decide the wheel's content."""
    folders = (root / "llmos", root / "operator" / "llmos_operator")
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [*sources, root / "pyproject.toml"]


def _ensure_image(settings: LocalSettings, root: Path, registry: str, name: str, tags: dict[str, str], *, plain_http: bool) -> BuiltImage:
    repository = f"{registry}/llmos/{name}"
    tag = tags[name]
    digest = _digest_of(registry, name, tag) if plain_http else None
    if digest is not None:
        return BuiltImage(name, f"{repository}@{digest}", tag, was_built=False)
    local = ensure_local_image(settings, name)
    tag = local.rpartition(":")[2]
    with step(f"pushing the image {name}"):
        # To the node next door the fastest of what containerd reads (measured: docs/images.md); elsewhere what every runtime reads.
        digest = Buildah(settings).push(local, f"{repository}:{tag}", plain_http=plain_http, zstd=registry == REGISTRY)
    return BuiltImage(name, f"{repository}@{digest}", tag, was_built=True)


def ensure_local_image(settings: LocalSettings, name: str) -> str:
    """Build an image unless buildah has it; return its local tag. Needs no registry."""
    root = source_root()
    buildah = Buildah(settings)
    for _ in range(_ATTEMPTS):
        tags = image_tags(root)
        local = f"localhost/llmos/{name}:{tags[name]}"
        if buildah.has(local):
            return local
        _ensure_base(settings, buildah, root, tags["base"])
        _build_wheel(settings, root)
        if image_tags(root) == tags:  # else somebody saved a file just now, and the wheel is not what the tag says
            with step(f"building the image {name}"):
                arguments = {"BASE": f"localhost/llmos/base:{tags['base']}"}
                buildah.build(root / "images" / name / "Containerfile", root, local, arguments=arguments)
            return local
    raise TransientError(f"the sources change while the image {name} is built; try again", reason="SourcesChanging")


def _ensure_base(settings: LocalSettings, buildah: Buildah, root: Path, tag: str) -> None:
    local = f"localhost/llmos/base:{tag}"
    if buildah.has(local):
        return
    ensure_debian(settings, buildah)
    with step("building the image base"):
        folder = root / "images" / "base"
        buildah.build(folder / "Containerfile", folder, local, arguments={"BASE": DEBIAN_IMAGE}, trust_host=False)


def _build_wheel(settings: LocalSettings, root: Path) -> None:
    """Leave exactly our wheel in dist/; hatchling writes the same bytes for the same sources."""
    target = root / "dist"
    made_from = hash_files(root, _package_files(root))
    stamp = target / ".made-from"
    if stamp.is_file() and stamp.read_text() == made_from and len(list(target.glob("*.whl"))) == 1:
        return
    stamp.unlink(missing_ok=True)
    for old in target.glob("*.whl"):
        old.unlink()
    uv = settings.cache / "boot" / "bin" / "uv"
    argv = [str(uv), "build", "--wheel", "--quiet", f"--cache-dir={settings.cache / 'uv'}", f"--out-dir={target}"]
    argv += [f"--build-constraints={root / 'requirements' / 'build.txt'}", "--require-hashes", str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=root)
    if done.returncode != 0:
        raise PermanentError(f"building our wheel failed: {done.stderr.strip()[-2000:]}", reason="BuildFailed")
    stamp.write_text(made_from)


def _digest_of(registry: str, name: str, tag: str) -> str | None:
    """Return the digest that a plain-HTTP registry has under a tag, or None."""
    connection = http.client.HTTPConnection(registry, timeout=10)
    try:
        connection.request("HEAD", f"/v2/llmos/{name}/manifests/{tag}", headers={"Accept": _MANIFEST_TYPES})
        response = connection.getresponse()
        return response.getheader("Docker-Content-Digest") if response.status == 200 else None
    except OSError as error:
        raise ConfigError(f"the registry {registry} does not answer: {error}; is the cluster up?", reason="RegistryUnavailable") from error
    finally:
        connection.close()
