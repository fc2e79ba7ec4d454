"""The inference pod: `fetch` (init container), `triton` (the server), `sidecar` (the door).

Nothing is imported here: `triton` runs in an environment that has the standard library only.
"""

__all__: list[str] = []
