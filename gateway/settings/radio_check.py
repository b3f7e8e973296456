"""What channels, talk groups and people's radios promise one another."""

from collections.abc import Iterator
from itertools import combinations
from urllib.parse import parse_qs, urlsplit

from gateway.settings.explain import Finding, did_you_mean, twice
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.yaml_source import KeyPath

# Identities that are of no five-tone table.
_OTHER_KINDS = ("dtmf", "mdc1200", "ctcss", "dcs")


def radio_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield every mistake between channels, talk groups and the radios of people and posts."""
    yield from _ports(settings)
    yield from _monitors(settings)
    yield from _same_frequency(settings)
    yield from _radios_unheard(settings, all_known=not known.lost("channels"))
    yield from _calls_unsent(settings)


# ---- ports and receivers ----


def _ports(settings: Settings) -> Iterator[Finding]:
    """Find what two would occupy: channels, and the dispatchers of talk groups."""
    used: list[tuple[KeyPath, str, str]] = [
        (("channels", id_, *path), id_, port)
        for id_, channel in settings.channels.items()
        for path, port in channel.ports().items()
    ]
    for id_, group in settings.talk_groups.items():
        at: KeyPath = ("talk_groups", id_, "dispatcher")
        if group.dispatcher is None:
            continue
        port = parse_qs(urlsplit(group.dispatcher).query)["local_port"][0]
        if 0 < int(port) < 65536:
            used.append((at, f"dispatcher of {id_}", f"UDP port {int(port)}"))
        else:
            yield Finding(at, f"local_port should be 1 to 65535, is {port}")
    yield from twice(used, "port")


def _monitors(settings: Settings) -> Iterator[Finding]:
    ids = list(settings.channels)
    for id_, channel in settings.channels.items():
        for path, other in channel.listeners().items():
            if other not in settings.channels:
                message = (
                    f'there is no channel "{other}"{did_you_mean(other, ids)}; name the one '
                    "whose receiver hears this one, or leave it out: then its own audio does"
                )
                yield Finding(("channels", id_, *path), message)


# ---- frequencies ----


def _same_frequency(settings: Settings) -> Iterator[Finding]:
    patched: set[tuple[str, str]] = set()
    for id_, group in settings.talk_groups.items():
        members = [m.removeprefix("channel:") for m in group.members]
        for one, other in combinations(members, 2):
            if (mhz := _shared_mhz(settings, one, other)) is not None:
                patched |= {(one, other), (other, one)}
                message = (
                    f'is on {mhz:g} MHz as "{one}" is: what goes out on one comes back in on '
                    "the other; leave one of them out"
                )
                at: KeyPath = ("talk_groups", id_, "members", members.index(other))
                yield Finding(at, message)
    for one, other in combinations(settings.channels, 2):
        mhz = _shared_mhz(settings, one, other)
        if mhz is None or (one, other) in patched or _listens(settings, one, other):
            continue
        message = (
            f'{mhz:g} MHz is the frequency of "{one}" too: each hears the other and waits for '
            "it; correct it, or, where one only listens, name it in the other's monitor"
        )
        path: KeyPath = ("channels", other, "licence", "frequency_mhz")
        yield Finding(path, message, warning=True)


def _shared_mhz(settings: Settings, one: str, other: str) -> float | None:
    """Return the frequency that two channels share, or None."""
    mhz = [
        channel.licence.frequency_mhz
        for id_ in (one, other)
        if (channel := settings.channels.get(id_)) is not None and channel.licence is not None
    ]
    if len(mhz) < 2 or mhz[0] is None or mhz[1] is None:
        return None
    # Channels lie 6.25 kHz apart at the least: less is a slip of the pen.
    return mhz[0] if abs(mhz[0] - mhz[1]) < 0.003 else None


def _listens(settings: Settings, one: str, other: str) -> bool:
    """Return whether one of two channels is there to hear the other."""
    heard = {(a, b) for a in (one, other) for b in settings.channels[a].listeners().values()}
    return (one, other) in heard or (other, one) in heard


# ---- whose radio it is, and how it is called ----


def _radios_unheard(settings: Settings, *, all_known: bool) -> Iterator[Finding]:
    """Find radios that say who they are by what no channel listens for.

    Args:
        settings: Those that are right in themselves.
        all_known: Nothing of the channels was left out: it might be what listens.
    """
    for path, radio in _radios(settings):
        if (found := _no_table(settings, path, radio)) is not None:
            yield found
            continue
        wanted = [channel.to_hear(radio) for channel in settings.channels.values()]
        if all_known and wanted and None not in wanted:
            message = f"no channel listens for {radio}; write {wanted[0]} at its channel"
            yield Finding(path, message, warning=True)


def _radios(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    for section, owners in (("people", settings.people), ("posts", settings.posts)):
        for id_, owner in owners.items():
            for index, radio in enumerate(owner.radios):
                yield (section, id_, "radios", index), radio
    for id_, person in settings.people.items():
        if person.radio_id is not None:
            yield ("people", id_, "radio_id"), f"dtmf:{person.radio_id}"


def _calls_unsent(settings: Settings) -> Iterator[Finding]:
    """Find selective calls that a channel on which he is called leaves out."""
    for id_, person in settings.people.items():
        grids = [settings.grids[grid] for grid in person.grids if grid in settings.grids]
        called_on = dict.fromkeys(grid.channel for grid in grids if grid.channel is not None)
        for index, call in enumerate(person.calls):
            path: KeyPath = ("people", id_, "calls", index)
            if (found := _no_table(settings, path, call)) is not None:
                yield found
                continue
            for name in called_on:
                channel = settings.channels.get(name)
                wanted = channel.to_call(call) if channel is not None else None
                if wanted is not None:
                    message = f'left out on channel "{name}", which cannot send it; {wanted}'
                    yield Finding(path, message, warning=True)


def _no_table(settings: Settings, path: KeyPath, signal: str) -> Finding | None:
    """Return that no channel knows the five-tone table of an identity or a call, or None."""
    kind = signal.partition(":")[0]
    known = {name for c in settings.channels.values() for name in c.five_tone_tables()}
    if kind in _OTHER_KINDS or kind in known or not known:
        return None
    message = (
        f'there is no five-tone table "{kind}"{did_you_mean(kind, sorted(known))}; a table of '
        "your own stands in the channel's signalling.selcall"
    )
    return Finding(path, message)
