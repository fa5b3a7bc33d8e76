"""Lanes, engine, books, monitor: how intents become orders and fills become positions."""
