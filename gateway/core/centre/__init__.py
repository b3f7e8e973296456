"""What comes from the centre and goes to it, as JSON."""
