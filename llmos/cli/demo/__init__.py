"""`llmos demo`: the main job from nothing to an answer, and whether everything that must be true is true."""

from llmos.cli.demo.command import demo

__all__ = ["demo"]
