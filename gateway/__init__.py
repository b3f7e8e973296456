"""Gridcall: the dispatch core and the daemon."""
