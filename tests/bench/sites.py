"""The bench's sites, of any size, as settings that `gridcall run` takes."""

import hashlib
import json
import socket
from dataclasses import dataclass, field

from drivers.radio.decode import EVERYTHING
from tests.ports import free_port

_EVERYTHING = {
    "dtmf": True, "selcall": [table.name for table in EVERYTHING.selcall], "mdc1200": True,
    "ctcss": list(EVERYTHING.ctcss_hz), "dcs": list(EVERYTHING.dcs),
}  # fmt: skip
TOKEN = "gwk_centre_" + "t" * 43
KEY = "k" * 40


@dataclass(frozen=True)
class Channel:
    """The ports of one radio: its lines, its sound, and the gateway's end of the sound."""

    line: int = field(default_factory=free_port)
    sound: int = field(default_factory=lambda: free_port(socket.SOCK_DGRAM))
    gateway: int = field(default_factory=lambda: free_port(socket.SOCK_DGRAM))


def channels_apart(count):
    """Return so many channels of which no two share a port."""
    while True:
        made = [Channel() for _ in range(count)]
        ports = {port for c in made for port in (c.line, c.sound, c.gateway)}
        if len(ports) == 3 * count:
            return made


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large a site is and how it is set.

    Attributes:
        channels: Radio channels; ``called`` says how many grids are called on one.
        grids: Grids, each with a work group of its own.
        accounts: Bot accounts that share the groups.
        guards: Guards of each grid.
        accounts_of_people: Guards who also have a private chat.
        called: Of the grids the first so many are called by radio, in turn on each channel.
        limits: Whether the driver keeps the platform's limits, or ones above any burst.
        acknowledge_s: The window, and the pause between rungs, of every level.
        ladder: Rungs.
        expire_min: By level.
        all_ears: Whether every kind of signalling is listened for on every channel, or digits.
    """

    channels: int = 1
    grids: int = 50
    accounts: int = 10
    guards: int = 1
    accounts_of_people: int = 0
    called: int = 0
    limits: bool = False
    acknowledge_s: int = 590
    ladder: tuple[str, ...] = ("repeat",)
    expire_min: tuple[int, int, int] = (10, 30, 60)
    all_ears: bool = False

    def group(self, number):
        """Return ``account/group`` of a grid."""
        return f"a{number % self.accounts}/g{number}"


def group_id(number):
    """Return the platform's number of a grid's group."""
    return f"-2{number:06}"


def settings(shape, *, http_port, channels, chats, mqtt_port=None):
    """Return the settings of a site as a tree that is also YAML.

    Args:
        shape: How large it is.
        http_port: Of the HTTP door.
        channels: The ports of each radio.
        chats: Port of the chat platform of each account.
        mqtt_port: Of the broker, or None.
    """
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    scopes = ["alert:write", "alert:cancel", "order:write", "event:read"]
    centre = {
        "name": "中心",
        "http": {"listen": f"127.0.0.1:{http_port}", "alerts_per_s": 1000,
                 "tokens": [{"id": "centre", "sha256": digest, "scopes": scopes}]},
    }  # fmt: skip
    if mqtt_port:
        centre["mqtt"] = {"host": "127.0.0.1", "port": mqtt_port, "client_id": "bench",
                          "heartbeat_s": 10}  # fmt: skip
    return {
        "site": {"id": "bench", "name": "试验", "datum": "GCJ-02", "state_dir": "state",
                 "licence": {"holder": "试验", "number": "LAB-1", "expires": "2099-01-01"}},
        "command_centre": centre,
        "channels": {f"c{n}": _channel(shape, n, ports) for n, ports in enumerate(channels)},
        "chats": {f"a{n}": _chat(shape, n, port) for n, port in enumerate(chats)},
        "zones": {"z": {"name": "一区", "grade": 1}},
        "grids": {f"q{n}": _grid(shape, n) for n in range(shape.grids)},
        "organisations": {"dongmen": {"name": "东门保安"}},
        "people": dict(_people(shape)),
        "response": {"acknowledge_s": [shape.acknowledge_s] * 3, "rung_s": [shape.acknowledge_s] * 3,
                     "ladder": list(shape.ladder), "expire_min": list(shape.expire_min)},
    }  # fmt: skip


def _channel(shape, number, ports):
    return {
        "name": f"{number}号信道",
        "licence": {"number": f"LAB-1-{number}", "frequency_mhz": 410.5},
        "control": {"url": f"rfc2217://127.0.0.1:{ports.line}", "ptt": "rts", "squelch": "cts"},
        "audio": {
            "url": f"rtp://127.0.0.1:{ports.sound}?local_port={ports.gateway}&codec=l16",
            "kind": "discriminator" if shape.all_ears else "speaker",
        },
        "signalling": _EVERYTHING if shape.all_ears else {"dtmf": True},
        "tx_delay_ms": 150, "hang_ms": 150, "stuck_squelch_s": 900,
        "ani": {"kind": "dtmf", "digits": 5, "position": "start"},
    }  # fmt: skip


def _chat(shape, number, port):
    groups = {
        f"g{n}": group_id(n) for n in range(shape.grids) if n % shape.accounts == number
    }
    own = {} if shape.limits else {"per_s": 100, "per_chat_per_s": 30, "per_group_per_min": 600}
    return own | {
        "driver": "telegram", "token": {"file": f"secrets/token{number}"},
        "callback_key": {"file": "secrets/key"}, "groups": groups,
        "api_base_url": f"http://127.0.0.1:{port}/bot",
        "file_base_url": f"http://127.0.0.1:{port}/file/bot",
    }  # fmt: skip


def _grid(shape, number):
    south, west = round(28.0 + number * 0.01, 4), 118.0
    north, east = round(south + 0.005, 4), west + 0.005
    grid = {
        "name": f"网格{number}", "zone": "z", "chat": shape.group(number),
        "polygon": [[south, west], [south, east], [north, east], [north, west]],
    }  # fmt: skip
    if number < shape.called:
        grid["channel"] = f"c{number % shape.channels}"
    return grid


def _people(shape):
    for n in range(shape.grids * shape.guards):
        grid = n % shape.grids
        fields = {
            "name": f"队员{n}", "role": "guard", "organisation": "dongmen",
            "radio_id": f"{10000 + n}", "grids": [f"q{grid}"],
        }  # fmt: skip
        if n < 900:  # three digits are no more
            fields["guard_code"] = f"{100 + n}"
        if n < shape.accounts_of_people:
            fields["contacts"] = {f"a{grid % shape.accounts}": str(700000 + n)}
        yield f"p_{n}", fields


def keep_secret(folder, name, text):
    """Write one secret below a site's folder, readable by its owner only."""
    keys = folder / "secrets"
    keys.mkdir(mode=0o700, exist_ok=True)
    (keys / name).touch(mode=0o600)
    (keys / name).write_text(text)


def write(folder, tree):
    """Write a site's settings and secrets into a folder; return the settings' path."""
    keep_secret(folder, "key", KEY)
    for number in range(len(tree.get("chats", ()))):
        keep_secret(folder, f"token{number}", f"{12345 + number}:{'A' * 35}")
    path = folder / "site.yaml"
    # JSON is YAML in which nothing needs guessing.
    path.write_text(json.dumps(tree, ensure_ascii=False), "utf-8")
    return path
