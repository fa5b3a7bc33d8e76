"""The whole desk on one machine: paper network, Bot API emulator with chat page, bot."""
