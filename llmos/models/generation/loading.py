"""Loading a model that generates, to be measured against: a causal language model and its tokenizer.

Must not: export anything.
"""

from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM

from llmos.models.config import Task
from llmos.models.pretrained import check_vocabulary, load_pretrained, load_tokenizer

__all__ = ["load_generator"]


def load_generator(folder: Path, task: Task) -> tuple[Any, Any]:
    """Load model and tokenizer in float32, on the CPU.

    Raises: ConfigError: InvalidSource if transformers cannot load them, TaskMismatch if the weights cannot generate.
    """
    tokenizer = load_tokenizer(folder)
    model = load_pretrained(AutoModelForCausalLM, folder, task=task, heads=("ForCausalLM", "LMHeadModel")).eval()
    check_vocabulary(model, tokenizer)
    return model, tokenizer
