"""The HTTP edge: webhook, health and metrics."""
