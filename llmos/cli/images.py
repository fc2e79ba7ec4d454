"""`llmos images`."""

__all__ = ["images"]


def images() -> None:
    """Build."""
