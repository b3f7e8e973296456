"""What is done to an order after it was sent, up to its end and beyond."""
