"""What the command line says of the answers it gets: what happened, where, what to do."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from gateway.journal import Verdict

Answer = Mapping[str, object]


def mistakes(answer: Answer) -> list[str]:
    """Return why the daemon said no, a line each."""
    errors, receipt = answer.get("errors"), answer.get("receipt")
    if isinstance(errors, list):
        return [str(error) for error in errors]
    if isinstance(receipt, dict):
        return [f"{receipt['status']}: {receipt['reason'] or 'the daemon gives no reason'}"]
    return ["the daemon has nothing of that name: see `gridcall order list --all`"]


def health_lines(said: Answer) -> list[str]:
    """Return whether the daemon works, and every way to people with its state."""
    works = "works" if said["ok"] else "DOES NOT WORK, its journal stands still: see the log"
    lines = [
        f"{said['site']}: {works}; journal row {said['journal']}, disk proved "
        f"{said['commit_age_s']} s ago, {said['open_orders']} open orders",
    ]
    if not said["clock_synchronised"]:
        lines.append("clock: NOT SET; nothing expires until it is: set it, or start NTP")
    lines += _disk_lines(said.get("disk"))
    lines += _put_aside_lines(said.get("journals_put_aside"))
    lines += _backup_lines(said.get("backup"))
    paths = said["paths"]
    assert isinstance(paths, dict)
    for name, path in sorted(paths.items()):
        state = "up" if path["up"] else f"DOWN  {path['reason'] or ''}"
        lines.append(f"  {name:<20} {state}".rstrip())
    return lines


def _disk_lines(disk: object) -> list[str]:
    """Return that the disk has little room, if it has."""
    if not isinstance(disk, dict) or disk["room"] == "enough":
        return []
    what = {"low": "little room", "short": "hardly any room"}.get(str(disk["room"]), "FULL")
    return [f"disk: {what} ({disk['free_mb']} MB): make room where state_dir is"]


def _put_aside_lines(names: object) -> list[str]:
    """Return which damaged journals lie in the state folder, and what to do."""
    if not isinstance(names, list) or not names:
        return []
    named = ", ".join(map(str, names))
    return [
        f"journal: WAS DAMAGED and begun anew; put aside as {named}; go on from a backup "
        "(config/README.md), then move it away"
    ]


def _backup_lines(backup: object) -> list[str]:
    """Return the journal's last copy, and what is wrong with the next."""
    if not isinstance(backup, dict):
        return []
    last = f"{backup['file']}" if backup["file"] else "NONE yet"
    fault = f"; NO NEWER ONE: {backup['fault']}" if backup["fault"] else ""
    return [f"backup: {last}{fault}"]


def order_line(order: Answer) -> str:
    """Return an order in a line: number, id, status, what it is about, who holds it."""
    alert = order["alert"]
    assert isinstance(alert, dict)
    facts = f"level {alert['level']}", alert["id"], alert["place"] or alert["grid"]
    parts = (order["number"], order["id"], order["status"], *facts, alert["text"])
    return "  ".join(str(part) for part in parts if part)


def event_line(event: Answer, zone: tzinfo | None = None) -> str:
    """Return a timeline node as a line, its time in a zone, without one in this machine's."""
    at = _moment(event).astimezone(zone)
    who = event["name"] or event["person"]
    how = event["medium"], event["assurance"], event["detail"]
    parts = (f"{at:%H:%M:%S}", event["number"], event["node"], who, *how)
    return "  ".join(str(part) for part in parts if part is not None)


def _moment(event: Answer) -> datetime:
    """Return when it was; stored nodes say it in microseconds."""
    if "at" in event:
        return datetime.fromisoformat(str(event["at"]))
    return datetime.fromtimestamp(int(str(event["at_us"])) / 1e6, UTC)


def verdict_lines(path: Path, verdict: Verdict) -> list[str]:
    """Return whether a journal is what was written, where it is not, and what to do."""
    if not verdict.ok:
        lines = [f"{path}: NOT as it was written ({verdict.rows} rows read)"]
    else:
        lines = [f"{path}: as it was written, all {verdict.rows} rows"]
    lines += [f"  row {found.seq}: {found.fault}: {found.text}" for found in verdict.findings]
    if verdict.more:
        lines.append(f"  and {verdict.more} more")
    if not verdict.ok:
        return [*lines, "keep this file as it is, for whoever asks; go on from a backup"]
    return [
        *lines,
        f"anchor {verdict.end.seq}:{verdict.end.hash}",
        "(kept on another machine and given as --anchor, it shows a chain computed anew)",
    ]
