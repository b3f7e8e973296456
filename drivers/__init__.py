"""Drivers: how the gateway touches the outside. Each folder is a stranger to the others."""
