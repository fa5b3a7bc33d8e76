"""What is wrong with an alert, in a form that the chat, the webhook and metrics can use."""

from __future__ import annotations


class AlertFault(Exception):
    """An alert cannot be used.

    `code` is stable (docs/webhook.md), `text` says what is wrong, `cure` what to do about it.
    `line` and `column` count from 1. `excerpt` is the place in the body with secrets masked; no
    part of a fault ever shows one.
    """

    def __init__(
        self,
        code: str,
        text: str,
        cure: str | None = None,
        line: int | None = None,
        column: int | None = None,
        field: str | None = None,
        excerpt: str = "",
    ) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.cure = cure
        self.line = line
        self.column = column
        self.field = field
        self.excerpt = excerpt
