"""The outside: radios, guards, chats, command centres; shares no code with the gateway."""
