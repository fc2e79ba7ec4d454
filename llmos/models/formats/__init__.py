"""What weights come as, and how each becomes a folder that transformers loads: one file a format."""

from llmos.models.formats.taking import describe_conversion, is_converted, is_wanted, take_model_folder, tools_of

__all__ = ["describe_conversion", "is_converted", "is_wanted", "take_model_folder", "tools_of"]
