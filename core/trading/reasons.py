"""Why things wait: said when it changes, not at each look."""

from __future__ import annotations

from collections.abc import Container, Hashable


class Reasons:
    """Knows what was said last of each thing."""

    def __init__(self) -> None:
        self._said: dict[Hashable, str] = {}

    def is_new(self, key: Hashable, reason: str) -> bool:
        """Whether this was not said of a thing just before; it counts as said from now on."""
        if self._said.get(key) == reason:
            return False
        self._said[key] = reason
        return True

    def forget(self, key: Hashable) -> None:
        """A thing does not wait any more; when it does again, that is news."""
        self._said.pop(key, None)

    def keep(self, keys: Container[Hashable]) -> None:
        """Forgets all but these."""
        self._said = {key: reason for key, reason in self._said.items() if key in keys}
