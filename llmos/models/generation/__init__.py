"""Models that generate: from a folder of transformers to files that ONNX Runtime GenAI loads by themselves, measured.

Importing this package does not import torch or the runtime.
"""

from llmos.models.generation.prompts import PromptSpec, choose_prompt

__all__ = ["PromptSpec", "choose_prompt"]
