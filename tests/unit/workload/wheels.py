"""Building small wheels for tests."""

import hashlib
import stat
import zipfile
from pathlib import Path

NAME, VERSION = "llmos-test-source", "1.0"
GOOD: dict[str, bytes] = {
    "pkg/model/config.json": b"{}",
    "pkg/model/model.safetensors": b"\x80\x04" + b"\0" * 30,
    "pkg/model/deep/er.txt": b"deep",
    "pkg/data.obo": b"format-version: 1.2",
    "pkg/code.py": b"raise SystemExit('no code of a source may run')",
    "pkg/modelling.txt": b"not below pkg/model",
}


def build_wheel(folder: Path, members: dict[str, bytes], *, link: str = "") -> str:
    """Write a wheel and return its sha256."""
    path = folder / f"{NAME.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    info = f"{NAME.replace('-', '_')}-{VERSION}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()
