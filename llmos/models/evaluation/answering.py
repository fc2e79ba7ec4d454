"""Asking a model that answers all at once: the items of each part are prepared once, and asked of the original and of every export.

Must not: know a metric.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from llmos.models.config import Task
from llmos.models.datasets import Example
from llmos.models.evaluation.exams.choosing import AudioExam, ImageExam, TextExam
from llmos.models.evaluation.exams.exam import Asked, Exam
from llmos.models.evaluation.exams.filling import FillingExam
from llmos.models.evaluation.exams.finding import FindingExam
from llmos.models.evaluation.exams.tagging import TaggingExam
from llmos.models.evaluation.predicting import Run, predict
from llmos.models.evaluation.predictions import Predictions
from llmos.models.tensors import Inputs

__all__ = ["Answering", "Exams", "Tell"]

Tell = Callable[[int, int], None]
"""Called with what is done, and all there is to do."""

Answering = Callable[[Sequence[Example], Tell], Predictions]
"""Asks a model the items of one part."""

_EXAMS: Final[Mapping[Task, type[Exam]]] = {
    Task.TEXT_CLASSIFICATION: TextExam,
    Task.SEQUENCE_PAIR: TextExam,
    Task.IMAGE_CLASSIFICATION: ImageExam,
    Task.AUDIO_CLASSIFICATION: AudioExam,
    Task.TOKEN_CLASSIFICATION: TaggingExam,
    Task.MASKED_LM: FillingExam,
    Task.FEATURE_EXTRACTION: FindingExam,
}


class Exams:
    """The parts of a set, as one model is asked them."""

    def __init__(self, task: Task, asked: Asked) -> None:
        self._make = _EXAMS[task]
        self._asked = asked
        self._exams: dict[int, Exam] = {}

    def answering(self, run: Run, *, is_batched: bool) -> Answering:
        """Return how a model is asked.

        Args:
            run: the model, in torch or as ONNX.
            is_batched: whether it is served in batches.
        """

        def answer(examples: Sequence[Example], tell: Tell) -> Predictions:
            exam = self._exam(examples)
            found = predict(
                run, exam.rows, is_batched=is_batched, lengths=exam.lengths, most=exam.most_rows, read=exam.read, on_progress=tell
            )
            return exam.collect(found)

        return answer

    def rows(self, examples: Sequence[Example]) -> Sequence[Inputs]:
        """Return the inputs of a part, as the model takes them."""
        return self._exam(examples).rows

    def _exam(self, examples: Sequence[Example]) -> Exam:
        # The exam holds on to its part, so the part's id stays its own.
        known = self._exams.get(id(examples))
        if known is None:
            known = self._exams[id(examples)] = self._make(examples, self._asked)
        return known
