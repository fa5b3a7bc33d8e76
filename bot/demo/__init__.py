"""The whole desk on one machine: paper network, Bot API emulator with its chat page, and the bot."""
