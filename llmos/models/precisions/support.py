"""Which precision runs for which task on which provider, or why not: the table of docs/models.md (docs/generate_precisions.py).

Pure. Must not: try; an import does, and what it finds is in the version's status. What a spec cannot ask for is refused by `config`
already, with the same outcome: a test holds the two to one another.
"""

from enum import StrEnum
from typing import Final

from llmos.models.config import Precision, Task

__all__ = ["Provider", "build_table", "refusal"]


class Provider(StrEnum):
    """What runs the graph, by ONNX Runtime's names."""

    CPU = "CPU"
    CUDA = "CUDA"


_OF_GENERATION: Final = (Precision.FLOAT32, Precision.INT4)
_NOT_BY_CUDA: Final = {
    Precision.INT8_DYNAMIC: "MatMulIntegerToFloat has no CUDA kernel: its products would run on the CPU",
    Precision.INT8_STATIC: "CUDA computes the rounded products in Float32: take Float16",
}
_GROUPS: Final = {
    "all": list(Task),
    "those that generate text": [task for task in Task if task.is_generative],
    "all others": [task for task in Task if not task.is_generative],
}
_REMARKS: Final = {
    (Precision.FLOAT16, Provider.CPU): "in half the size; computed in Float32, so no faster",
}


def refusal(task: Task, precision: Precision, provider: Provider) -> str | None:
    """Return why a precision does not run for a task; None where it does."""
    if task.is_generative and precision not in _OF_GENERATION:
        return "generation is built by ONNX Runtime GenAI, in Float32 and Int4"
    if task.is_generative and provider is Provider.CUDA:
        return "generation is built for CPUs"
    if not task.is_generative and precision is Precision.INT4:
        return "only for tasks that generate text"
    if precision is Precision.BFLOAT16:
        # An import tries what it makes, and its pod has a CPU: until imports run on GPUs, nothing passes, wherever it would be served.
        return "an import tries it on a CPU, where ONNX Runtime has no kernels for it"
    return _NOT_BY_CUDA.get(precision) if provider is Provider.CUDA else None


def build_table() -> str:
    """Return the table in Markdown, tasks with the same answers in one row."""
    lines = ["| precision | tasks | CPU | CUDA |", "|---|---|---|---|"]
    for precision in Precision:
        groups: dict[tuple[str, ...], list[Task]] = {}
        for task in Task:
            groups.setdefault(tuple(_cell(task, precision, provider) for provider in Provider), []).append(task)
        lines += [f"| `{precision}` | {_name(tasks)} | {' | '.join(cells)} |" for cells, tasks in groups.items()]
    return "\n".join(lines)


def _name(tasks: list[Task]) -> str:
    for name, known in _GROUPS.items():
        if tasks == known:
            return name
    return ", ".join(f"`{task}`" for task in tasks)


def _cell(task: Task, precision: Precision, provider: Provider) -> str:
    reason = refusal(task, precision, provider)
    if reason:
        return f"refused: {reason}"
    remark = _REMARKS.get((precision, provider))
    return f"runs; {remark}" if remark else "runs"
