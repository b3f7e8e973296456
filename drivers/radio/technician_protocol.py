"""The protocol of an acceptance, as Markdown that also reads well as plain text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.radio.technician_accept import Check, Verdict, accepted
from drivers.radio.technician_site import Site

__all__ = ["protocol_of"]

_VERDICTS: Final[dict[Verdict, str]] = {
    "pass": "pass · 合格",
    "fail": "FAIL · 不合格",
    "not tested": "not tested · 未测",
}


def protocol_of(site: Site, channel: str, checks: Sequence[Check], date: str) -> str:
    """Return the protocol.

    Args:
        site: The site.
        channel: The channel's id.
        checks: What was checked, in order.
        date: When, as it is to be written.
    """
    settings = site.channels[channel]
    counts = {v: sum(c.verdict == v for c in checks) for v in _VERDICTS}
    result = "accepted · 通过" if accepted(list(checks)) else "NOT accepted · 不通过"
    head = [
        f"# Acceptance of channel {channel} · 信道验收",
        "",
        f"- site · 站点: {site.id}, settings · 配置 {site.version}",
        f"- channel · 信道: {channel} {_plain(settings.name)}",
        f"- control, sound · 控制、音频: `{settings.control.url}`, `{settings.audio.url}`",
        f"- date · 日期: {date}",
        f"- **result · 结论: {result}** ({', '.join(f'{n} {v}' for v, n in counts.items())})",
        "",
        "| no. | check · 项目 | result · 结果 | found · 说明 |",
        "|---|---|---|---|",
    ]
    rows = [
        f"| {number} | {_plain(c.what)}{' *' if c.vital else ''} | {_VERDICTS[c.verdict]} | "
        f"{_plain(c.detail)} |"
        for number, c in enumerate(checks, 1)
    ]
    foot = [
        "",
        "\\* vital: untested means not accepted · 带 * 为必测项",
        "",
        "technician · 技术员: ____________   for the site · 站点: ____________",
        "",
    ]
    return "\n".join([*head, *rows, *foot])


def _plain(text: str) -> str:
    """Return text that ends no table cell: names and devices come from outside."""
    return " ".join(text.split()).replace("|", "/")
