"""A workaround for kopf 1.45.2: while it lists, every object it meets wakes every object it has met before.

kopf holds all handlers back until all kinds are listed and indexed. Each object adds a toggle to one set and drops it again, and each of
both wakes all that wait for the set, which look and wait on: quadratic in the number of objects. With 6,000 of them that was 25 of 34
seconds of a restart. Here only a change of the set's own state wakes anybody, which is all that a waiter can be waiting for.

Owns: these two methods of one class. Must not: change what the set means. `tests/kopf` holds kopf to what is assumed here.
"""

from typing import Any

from kopf._cogs.aiokits.aiotoggles import Toggle, ToggleSet

__all__ = ["wake_only_on_change"]


async def _make_toggle(self: Any, value: bool = False, /, *, name: str | None = None) -> Toggle:
    toggle = Toggle(value, name=name, condition=self._condition)
    async with self._condition:
        was_on = self.is_on()
        self._toggles.add(toggle)
        if self.is_on() != was_on:
            self._condition.notify_all()
    return toggle


async def _drop_toggle(self: Any, toggle: Toggle) -> None:
    async with self._condition:
        was_on = self.is_on()
        self._toggles.discard(toggle)
        if self.is_on() != was_on:
            self._condition.notify_all()


def wake_only_on_change() -> None:
    """Put the workaround in place."""
    replacements: dict[str, Any] = {"make_toggle": _make_toggle, "drop_toggle": _drop_toggle}
    for name, method in replacements.items():
        setattr(ToggleSet, name, method)
