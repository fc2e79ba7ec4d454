"""The gate of a model that writes token by token: its original is asked in torch, each built precision with the artifact's own files.

The original's weights are let go before anything is built, which needs the memory. Must not: build, or push a precision.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from llmos.models.config import ModelSpec, Task
from llmos.models.evaluation.judging import Judge
from llmos.models.evaluation.measuring import Evaluator, Measured, Progress
from llmos.models.evaluation.prepare import EvaluationSet
from llmos.models.evaluation.task_metrics import find_metrics
from llmos.models.generation.questions import Expectations, Listening, Questions, Writing

__all__ = ["GenerationJudge", "open_judge"]


class GenerationJudge(Judge):
    """Judges what was built of one generator."""

    def __init__(
        self,
        questions: Questions,
        source: Any,
        evaluated: EvaluationSet,
        *,
        task: Task,
        open_built: Any,
        scratch: Path,
        on_progress: Progress = lambda _phase, _percent, _message: None,
    ) -> None:
        """Let the original answer.

        Args:
            source: the original, as the questions ask it.
            open_built: from a folder to a built model, as the questions ask it.
        """
        evaluator = Evaluator(evaluated, task=task, source=partial(questions.ask, source), on_progress=on_progress)
        super().__init__(evaluator, labels=(), scratch=scratch)
        self._questions = questions
        self._open_built = open_built

    def judge(self, precision: str, built: Path, measurements: Mapping[str, Any]) -> Measured:
        """Measure and judge one precision.

        Args:
            measurements: what was measured before; where nothing is written, the time to the first token is its latency.
        """
        ask = partial(self._questions.ask, self._open_built(built))
        return self.hold(precision, ask, latency=lambda: self._questions.latency_ms or float(measurements["firstTokenMilliseconds"]))


def open_judge(
    folder: Path,
    spec: ModelSpec,
    evaluated: EvaluationSet,
    *,
    scratch: Path,
    on_progress: Progress = lambda _phase, _percent, _message: None,
) -> GenerationJudge:
    """Load the original, ask it, and let it go.

    Raises: as `open_original`; ConfigError (InvalidDataset) for an item that cannot be asked.
    """
    options: Any = {"task": spec.task, "scratch": scratch, "on_progress": on_progress}
    # Imported when needed: each brings libraries that the other has no use for.
    if spec.task is Task.SPEECH_RECOGNITION:
        from llmos.models.generation.hearing import BuiltHearer, TorchHearer

        language = (spec.evaluation.dataset.file.language if spec.evaluation and spec.evaluation.dataset.file else None) or "en"
        hearer = TorchHearer(folder, spec, language=language)
        open_hearer = partial(BuiltHearer, prompt=hearer.prompt, maximum_tokens=hearer.maximum_new_tokens)
        return GenerationJudge(Listening(evaluated.media), hearer, evaluated, open_built=open_hearer, **options)
    from llmos.models.generation.writing import BuiltWriter, TorchWriter

    writer = TorchWriter(folder, spec.task)
    _, metric = find_metrics(spec.task, evaluated.bounds.metric)
    maximum = spec.onnx.maximum_tokens
    if metric.name == "BitsPerByte":
        questions: Questions = Expectations(writer.tokenizer, maximum_tokens=maximum)
    else:
        writing = Writing(writer.tokenizer, writer.prompt, metric=metric.name, maximum_tokens=maximum)
        for example in evaluated.parts.evaluation:
            writing.encode(example)  # An item without room is refused before the first is answered.
        questions = writing
    return GenerationJudge(questions, writer, evaluated, open_built=BuiltWriter, **options)
