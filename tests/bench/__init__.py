"""Measures the way of a signal: ours and the original flow, over one paper network."""
