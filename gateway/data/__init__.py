"""Catalogues, the demo site and the documents that the wheel carries."""
