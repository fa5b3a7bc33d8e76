"""What the bot says: views and events rendered to entities and keyboards, never to raw markup."""
