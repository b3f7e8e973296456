"""What is said and written."""

from collections.abc import Mapping

Catalogue = Mapping[str, str]
