"""The alert grammar: parse, validate, resolve symbols."""
