"""How often a disease shows a phenotype, made comparable: `7/9`, `80%` and `Very frequent` on one scale.

Must not: change what is shown; the source's own words are kept beside this.
"""

import re
from typing import Final

__all__ = ["frequency_rank"]

_SCALE: Final = 10_000
_UNKNOWN: Final = _SCALE - 1

# Any source's text comes here: no more digits than a count of patients has.
_PERCENT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)%\Z")
_SHARE: Final = re.compile(r"([0-9]{1,12})/([0-9]{1,12})\Z")

# The least frequency each of the ontology's words stands for, in hundredths of a percent.
_WORDS: Final = {"Obligate": 10_000, "Very frequent": 8_000, "Frequent": 3_000, "Occasional": 500, "Very rare": 100, "Excluded": 0}


def frequency_rank(frequency: str) -> int:
    """Return 0 for always, 10,000 for never; what says nothing, or nothing we understand, stands just before never."""
    if frequency in _WORDS:
        return _SCALE - _WORDS[frequency]
    if match := _PERCENT.match(frequency):
        return _SCALE - min(_SCALE, int(float(match[1]) * 100))
    match = _SHARE.match(frequency)
    if not match or int(match[2]) == 0:
        return _UNKNOWN
    return _SCALE - min(_SCALE, int(match[1]) * _SCALE // int(match[2]))
