"""What serving relies on: that an answer depends neither on its neighbours in a batch nor on padding.

Measured on rows as they come, each of another length and with other contents: neighbours that are alike would hide what one scale for a
whole tensor does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.models.measure.comparison import SEED, difference
from llmos.models.network import Network
from llmos.models.tensors import Inputs

__all__ = ["Dependence", "Invariance", "measure_invariance"]

_BATCH: Final = 8
_BATCHES: Final = 4
_SHORTEST: Final = 4
_LONGEST: Final = 512
"""Longer rows take minutes and show nothing else."""

Answer = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Dependence:
    """How far answers move because of something that should not matter."""

    difference: float
    """Largest absolute difference of any output number."""

    flips: float | None
    """Share of answers whose highest score is another; None where outputs are no scores."""


@dataclass(frozen=True, slots=True)
class Invariance:
    """Of `measure_invariance`."""

    batch: Dependence
    """A row alone, and among seven others of its length."""

    padding: Dependence | None
    """A row bare, and padded to the longest; None where nothing is ever padded."""


def measure_invariance(network: Network, session: Any, *, maximum_tokens: int) -> Invariance:
    """Run 32 rows alone, beside one another, and padded."""
    generator = np.random.default_rng(SEED)
    beside: list[tuple[Answer, Answer]] = []
    padded: list[tuple[Answer, Answer]] = []
    for lengths in np.split(_lengths(maximum_tokens), _BATCHES):
        longest = int(lengths.max())
        rows = [network.make_inputs((1, int(length)), generator, full=True) for length in lengths]
        filled: list[Inputs] = [wide for row in rows if (wide := network.pad(row, longest)) is not None]
        is_padded = len(filled) == len(rows)
        if not is_padded:
            filled = [network.make_inputs((1, longest), generator, full=True) for _ in rows]
        alone = [session.run(None, dict(row)) for row in filled]
        if is_padded:
            bare = [session.run(None, dict(row)) for row in rows]
            padded += [(_cut(long, short), short) for long, short in zip(alone, bare, strict=True)]
        together = session.run(None, {name: np.concatenate([row[name] for row in filled]) for name in network.input_names})
        beside += [([array[index : index + 1] for array in together], one) for index, one in enumerate(alone)]
    has_scores = network.outputs[0].name == "logits"
    return Invariance(_dependence(beside, has_scores), _dependence(padded, has_scores) if padded else None)


def _lengths(maximum_tokens: int) -> NDArray[np.int64]:
    """Return lengths from a few tokens to the longest, in order."""
    longest = min(_LONGEST, maximum_tokens)
    return np.rint(np.geomspace(min(_SHORTEST, longest), longest, _BATCH * _BATCHES)).astype(np.int64)


def _dependence(pairs: Sequence[tuple[Answer, Answer]], has_scores: bool) -> Dependence:
    flips = [np.argmax(left[0], axis=-1) != np.argmax(right[0], axis=-1) for left, right in pairs] if has_scores else []
    share = float(np.mean(np.concatenate([flip.ravel() for flip in flips]))) if flips else None
    return Dependence(float(np.max([difference(left, right) for left, right in pairs])), share)


def _cut(padded: Answer, bare: Answer) -> list[NDArray[Any]]:
    """Return outputs of padded inputs without what stands at the padding, where an output has one value a token."""
    return [array[tuple(slice(0, size) for size in other.shape)] for array, other in zip(padded, bare, strict=True)]
