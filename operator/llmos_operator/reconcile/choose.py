"""What a selector stands for in this pass: the decision that was made before, or a new one.

Pure. The policy: a decision stands until its selector changes. `update: Automatic` decides anew in every pass; `Manual`, and every training
run, does not. What was decided goes on being used even if its Model is deleted or nothing fits any more, and the message says so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from llmos_operator.api.selection import ModelSelector
from llmos_operator.names import Json
from llmos_operator.reconcile.selection import Candidate, Selection, Wanted, select
from llmos_operator.status import Reason, Verdict

__all__ = ["Chosen", "Ground", "choose", "headline_metric"]

_REASON_CHARACTERS: Final = 512
_HEADLINES: Final = {
    "TokenClassification": "spanF1",
    "Summarization": "rougeL",
    # These are comparable only on one set, and MaskedLM only with one tokenizer: whoever compares by them says so.
    **dict.fromkeys(("SpeechRecognition", "TextGeneration", "FeatureExtraction", "MaskedLM"), ""),
}


def headline_metric(task: str) -> str:
    """Return the metric by which Models of a task are compared where the selector names none; empty where there is none."""
    return _HEADLINES.get(task, "accuracy")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a choice may depend on."""

    before: Json | None
    """`status.selection` as it was."""

    live: tuple[str, str] | None
    """Name and digest of what the children were made for: they know what a wiped status has forgotten."""

    candidates: Callable[[str], Iterable[Candidate]]
    """All Models of the namespace, given the name of the one in use; called only where something is selected."""

    exists: Callable[[str], bool]
    """Whether there is a Model of this name."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a selector stands for."""

    document: Json
    """`status.selection`."""

    problem: Verdict | None = None
    """Why nothing is selected."""

    note: str = ""
    """What to add to the message of the summary."""

    @property
    def name(self) -> str:
        """The Model's name; empty where nothing is selected."""
        return str(self.document.get("name", ""))

    @property
    def digest(self) -> str:
        """Its version."""
        return str(self.document.get("digest", ""))


def choose(selector: ModelSelector, ground: Ground, *, precision: str | None = "", is_once: bool = False) -> Chosen:
    """Return what a selector stands for.

    Args:
        precision: the export that is served; None for the one each version has chosen, empty for weights.
        is_once: whether the first decision is the last, whatever `update` says.
    """
    digest = selector.digest(precision)
    standing = _standing(ground, digest)
    if standing and (is_once or selector.update == "Manual"):
        return Chosen(standing, note="" if is_once else _note(standing, ground))
    in_use = str(standing["name"]) if standing else ""
    wanted = Wanted(selector, precision or "", selector.metric or headline_metric(selector.task))
    found = select(ground.candidates(in_use), wanted)
    if found.chosen:
        return Chosen(_document(found, digest))
    if standing:
        note = f"no Model fits its selector any more, and Model {in_use} goes on: {found.reason}"
        return Chosen({**standing, "runnersUp": _document(found, digest)["runnersUp"]}, note=note)
    message = f"no Model fits the selector: {found.reason}; this goes on by itself when one does"
    return Chosen(_document(found, digest), Verdict(Reason.NoModelFits, message, is_progressing=True))


def _standing(ground: Ground, digest: str) -> Json | None:
    """Return the decision that was made for this very selector, if any."""
    if ground.before is not None:
        return ground.before if ground.before.get("name") and ground.before.get("selectorDigest") == digest else None
    if ground.live is None:
        return None
    name, version = ground.live
    return {"name": name, "digest": version, "selectorDigest": digest, "reason": "it was in use already", "runnersUp": []}


def _note(standing: Json, ground: Ground) -> str:
    if ground.exists(standing["name"]):
        return ""
    return (
        f"the selected Model {standing['name']} does not exist any more, and its version goes on; "
        "change the selector, or set its update to Automatic, to select another"
    )


def _document(found: Selection, digest: str) -> Json:
    chosen = {"name": found.chosen.name, "digest": found.chosen.digest} if found.chosen else {}
    runners_up = [{"name": item.name, "reason": item.reason[:_REASON_CHARACTERS]} for item in found.runners_up]
    return {**chosen, "selectorDigest": digest, "reason": found.reason[:_REASON_CHARACTERS], "runnersUp": runners_up}
