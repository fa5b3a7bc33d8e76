"""The chat: one module per conversation, turned into calls on the desk."""
