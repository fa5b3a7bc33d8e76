"""A local dYdX v4: node, indexer and websocket on loopback, speaking the real protocols."""
