"""Reasons not to start, as one line for the operator."""

from __future__ import annotations


class StartRefused(Exception):
    """The process must not start; the text is one line that says why and what to do."""
