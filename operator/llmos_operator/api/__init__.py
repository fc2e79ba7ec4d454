"""The four kinds as frozen values, parsed from what the API server stores."""

from llmos_operator.api.references import Reference
from llmos_operator.api.v1alpha1 import (
    SERVED_TASKS,
    InferenceServiceSpec,
    KnowledgeBaseSpec,
    ModelSpec,
    Spec,
    TrainingJobSpec,
    Workload,
    parse_spec,
    references_of,
)

__all__ = [
    "SERVED_TASKS",
    "InferenceServiceSpec",
    "KnowledgeBaseSpec",
    "ModelSpec",
    "Reference",
    "Spec",
    "TrainingJobSpec",
    "Workload",
    "parse_spec",
    "references_of",
]
