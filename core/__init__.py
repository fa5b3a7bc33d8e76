"""The trading desk. Knows nothing of Telegram and of HTTP servers."""
