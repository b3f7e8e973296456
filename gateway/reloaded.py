"""New settings on their way into the running engine: what they bring, or what is wrong."""

from collections.abc import Callable
from typing import Protocol

from gateway.core.people import Contact, Person
from gateway.core.places import Site


class Reloader(Protocol):
    """Reads and checks new settings; the composition root knows how."""

    async def __call__(self, path: str) -> "Reloaded":
        """Return the new settings' parts, or the mistakes in them."""
        ...


class Reloaded:
    """What a reload brought: a site and its seed of people, or mistakes.

    Attributes:
        site: The new site, or None when there are mistakes.
        people: Seed of the register.
        contacts: Seed of the accounts.
        errors: Every mistake as ``file:line:col: …``.
        apply: Puts everything but the site in force; GridcallError when it could not and
            nothing has changed.
    """

    def __init__(
        self,
        *,
        site: Site | None = None,
        people: tuple[Person, ...] = (),
        contacts: tuple[Contact, ...] = (),
        errors: tuple[str, ...] = (),
        apply: Callable[[], None] = lambda: None,
    ) -> None:
        self.site = site
        self.people = people
        self.contacts = contacts
        self.errors = errors
        self.apply = apply
