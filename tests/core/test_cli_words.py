"""What the command line says can be acted on by whoever reads it."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli_words import event_line, health_lines, mistakes, order_line, verdict_lines
from gateway.journal import Finding, Verdict
from gateway.journal.contract import Anchor
from gateway.settings import Token
from gateway.web.tokens import Scope, TokenRegister

ROOT = Path(__file__).parents[2]
JOURNAL = Path("/var/lib/gridcall/journal.sqlite3")
END = Anchor(seq=74, hash="ab" * 32)
HEALTH = {
    "ok": True, "site": "donghe", "settings": "c5aa", "journal": 74, "commit_age_s": 1.5,
    "clock_synchronised": True, "open_orders": 2,
    "paths": {"channel:gate": {"up": False, "reason": "no port"}, "mqtt": {"up": True}},
}  # fmt: skip


def test_a_whole_journal_gives_its_anchor_in_the_form_that_verify_takes() -> None:
    lines = verdict_lines(JOURNAL, Verdict(rows=74, end=END, findings=()))
    assert "as it was written, all 74 rows" in lines[0] and str(JOURNAL) in lines[0]
    assert f"anchor 74:{'ab' * 32}" in lines


def test_a_spoilt_journal_says_where_and_what_to_do() -> None:
    found = (Finding("changed", 12, "the row's own hash does not fit"),)
    lines = verdict_lines(JOURNAL, Verdict(rows=74, end=END, findings=found, more=3))
    text = "\n".join(lines)
    assert "NOT as it was written" in lines[0]
    assert "row 12: changed" in text and "3 more" in text and "keep this file" in lines[-1]
    assert "anchor" not in text


def test_health_names_every_path_and_why_it_is_down() -> None:
    lines = health_lines(HEALTH)
    assert lines[0].startswith("donghe: works") and "2 open orders" in lines[0]
    assert any("channel:gate" in line and "DOWN" in line and "no port" in line for line in lines)
    sick = "\n".join(health_lines({**HEALTH, "ok": False, "clock_synchronised": False}))
    assert "DOES NOT WORK" in sick and "NOT SET" in sick


def test_a_refusal_says_its_reason() -> None:
    assert mistakes({"ok": False, "errors": ["site.yaml:3:1: wrong"]}) == ["site.yaml:3:1: wrong"]
    receipt = {"status": "conflict", "reason": "came before with another body"}
    assert mistakes({"ok": False, "receipt": receipt}) == [
        "conflict: came before with another body"
    ]
    assert "order list" in mistakes({"ok": False, "order": None})[0]


def test_a_node_reads_the_same_live_and_stored() -> None:
    node = {
        "number": "10", "node": "arrived", "person": "p_li", "name": "李秀英",
        "medium": "chat", "assurance": "C2", "detail": None,
    }  # fmt: skip
    live = event_line({**node, "at": "2026-11-22T05:31:52.000000Z"})
    assert live == event_line({**node, "at_us": 1_795_325_512_000_000})
    assert live.endswith("10  arrived  李秀英  chat  C2")


def test_a_node_is_told_in_the_zone_of_its_site() -> None:
    node = {
        "number": "10", "node": "told", "person": None, "name": None, "medium": None,
        "assurance": None, "detail": None, "at": "2026-11-22T16:47:43.000000Z",
    }  # fmt: skip
    assert event_line(node, ZoneInfo("Asia/Shanghai")) == "00:47:43  10  told"


@pytest.mark.parametrize("group", ["people", "recordings", "journal", "order", "channel"])
def test_no_group_of_commands_offers_what_the_rest_does_not(group: str) -> None:
    done = CliRunner().invoke(app, [group, "--help"])
    assert done.exit_code == 0
    assert "--install-completion" not in done.output


def test_an_order_fits_a_line() -> None:
    alert = {"level": 2, "id": "JQ-1", "place": None, "grid": "g1", "text": "有人打架"}
    order = {"number": "10", "id": "o1", "status": "calling", "alert": alert}
    assert order_line(order) == "10  o1  calling  level 2  JQ-1  g1  有人打架"


def test_a_new_token_opens_the_door_it_is_printed_for() -> None:
    done = CliRunner().invoke(app, ["token", "centre"])
    secret = done.output.splitlines()[0].rpartition(" ")[2]
    digest = done.output.split("sha256: ")[1].partition(",")[0]
    register = TokenRegister([Token(id="centre", sha256=digest, scopes=("alert:write",))])
    assert register.holder(f"Bearer {secret}", 0).id == "centre"
    scopes = json.loads(done.output.rpartition("scopes: ")[2].strip().removesuffix("}"))
    assert set(scopes) == set(Scope.__args__)


@pytest.mark.parametrize(
    "wrong", [["token", "Zentrale"], ["journal", "verify", "SITE", "--anchor", "74"]]
)
def test_what_could_never_work_is_a_usage_error(wrong: list[str], tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("site: {}\n", "utf-8")
    done = CliRunner().invoke(app, [str(site) if word == "SITE" else word for word in wrong])
    assert done.exit_code == 2


def test_a_second_daemon_of_a_site_does_not_start(tmp_path: Path) -> None:
    """It would throw the first one off its serial ports."""
    config = tmp_path / "site.yaml"
    config.write_text((ROOT / "config/examples/one_post.yaml").read_text("utf-8"), "utf-8")
    (tmp_path / "secrets").mkdir()
    for name in ("telegram_token", "callback_key"):
        (tmp_path / "secrets" / name).touch(0o600)
        (tmp_path / "secrets" / name).write_text("123456:" + "k" * 35, "utf-8")
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "daemon.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = run("run", config)
    assert second.returncode == 1 and "runs already" in second.stderr
    assert not (tmp_path / "state" / "plan.json").exists()


def test_a_daemon_without_its_secrets_does_not_start(tmp_path: Path) -> None:
    config = tmp_path / "site.yaml"
    config.write_text((ROOT / "config/examples/one_post.yaml").read_text("utf-8"), "utf-8")
    done = run("run", config)
    assert done.returncode == 1
    assert "telegram_token" in done.stderr and "callback_key" in done.stderr
    checked = run("check", config)
    assert checked.returncode == 0 and checked.stderr.count("warning: secret file") == 2


def run(command: str, config: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gateway", command, str(config)]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
