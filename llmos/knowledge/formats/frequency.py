"""How often a disease shows a phenotype, made comparable: `7/9`, `80%` and `Very frequent` on one scale.

Must not: change what is shown; the source's own words are kept beside this.
"""

from typing import Final

__all__ = ["frequency_rank"]

_SCALE: Final = 10_000
_UNKNOWN: Final = _SCALE - 1

# The least frequency each of the ontology's words stands for, in hundredths of a percent.
_WORDS: Final = {"Obligate": 10_000, "Very frequent": 8_000, "Frequent": 3_000, "Occasional": 500, "Very rare": 100, "Excluded": 0}


def frequency_rank(frequency: str) -> int:
    """Return 0 for always, 10,000 for never; what says nothing stands just before never."""
    if frequency in _WORDS:
        return _SCALE - _WORDS[frequency]
    if frequency.endswith("%"):
        return _SCALE - min(_SCALE, int(float(frequency[:-1]) * 100))
    cases, slash, patients = frequency.partition("/")
    if not slash or int(patients) == 0:
        return _UNKNOWN
    return _SCALE - min(_SCALE, int(cases) * _SCALE // int(patients))
