"""The Telegram driver: cards in groups, private cards, buttons and words back."""
