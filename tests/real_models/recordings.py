"""Recordings of a person, with what she says: the prompts of a telephone exchange, from two Debian packages (CC-BY-SA-3.0).

They are fetched as packages and read where they lie; nothing of them is kept here.
"""

import gzip
import io
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from llmos.models.generation.speech import SAMPLING_RATE

_PACKAGES = ("asterisk-core-sounds-en", "asterisk-core-sounds-en-wav")
_NUMBERS = re.compile(r"\b(zero|one|two|three|four|five|six|seven|eight|nine|ten|pound|star)\b|\d")
"""Left out: whether a model writes "6" or "six" is no question of hearing."""


def fetch_recordings(into: Path) -> Path:
    into.mkdir()
    subprocess.run(["apt-get", "download", "--quiet", *_PACKAGES], cwd=into, check=True, capture_output=True)
    for package in into.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, into], check=True)
    return into


def normalise(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split())


@dataclass(frozen=True, slots=True)
class Prompt:
    """One recording."""

    name: str
    """As `vm-instructions`; what begins alike is about the same."""

    path: Path
    words: str
    """What is said, as its makers wrote it down."""


def read_prompts(folder: Path) -> list[Prompt]:
    """Return all recordings of which the words are known, in the order of the makers' list."""
    text = gzip.decompress((folder / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz").read_bytes()).decode()
    root = next(folder.rglob("activated.wav")).parent
    paths = {path.relative_to(root).with_suffix("").as_posix(): path for path in root.rglob("*.wav")}
    lines = [line.partition(":") for line in text.splitlines() if not line.startswith(";")]
    return [Prompt(name.strip(), paths[name.strip()], words.strip()) for name, _, words in lines if name.strip() in paths]


def choose(folder: Path, *, num: int, minimum_words: int = 6) -> list[tuple[Path, str]]:
    """Return recordings and their words, evenly from the whole list."""
    found = [
        (prompt.path, normalise(prompt.words))
        for prompt in read_prompts(folder)
        if len(normalise(prompt.words).split()) >= minimum_words and not _NUMBERS.search(prompt.words.lower())
    ]
    return found[:: max(1, len(found) // num)][:num]


def read_samples(path: Path) -> NDArray[np.float32]:
    """Return a recording's samples at 16 kHz."""
    samples, _ = soundfile.read(io.BytesIO(read_wav(path)), dtype="float32")
    return np.asarray(samples, dtype=np.float32)


def read_wav(path: Path) -> bytes:
    """Return a recording of a telephone, 8 kHz, as one of 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32")
    stream = io.BytesIO()
    soundfile.write(stream, resample_poly(samples, SAMPLING_RATE, rate).astype(np.float32), SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return stream.getvalue()
