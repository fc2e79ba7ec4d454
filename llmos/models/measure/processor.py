"""What this machine's processor can do that matters for eight and sixteen bits: measured answers and times are its own."""

from pathlib import Path
from typing import Final

__all__ = ["cpu_features"]

_NAMES: Final = {
    "avx2": "AVX2",
    "avx512f": "AVX512F",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "avx512_fp16": "AVX512-FP16",
    "amx_int8": "AMX-INT8",
    "amx_bf16": "AMX-BF16",
    "asimddp": "DotProd",
    "i8mm": "I8MM",
    "bf16": "BF16",
    "sve": "SVE",
}
"""The kernel's name of a flag → ours."""


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return the features of the first processor, in a fixed order; none where the system does not say."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return tuple(name for flag, name in _NAMES.items() if flag in flags)
