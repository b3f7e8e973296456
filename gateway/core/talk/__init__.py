"""Talk between chats and channels, and the overs that are kept."""
