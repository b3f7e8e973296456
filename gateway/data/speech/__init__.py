"""Recorded digits and phrases for orders whose sentence could not be rendered."""
