"""Who is let in: every guarded route against every kind of wrong caller."""

import logging
import secrets

import pytest

from gateway.web.tokens import AlertRate, TokenRefusedError, TokenRegister, new_token
from tests.doors import START_US
from tests.web.conftest import make_tokens

NEEDS = {
    ("POST", "/v1/alerts"): "alert:write",
    ("POST", "/v1/alerts/{id}/update"): "alert:write",
    ("POST", "/v1/alerts/{id}/cancel"): "alert:cancel",
    ("POST", "/v1/media"): "alert:write",
    ("GET", "/v1/orders"): "event:read",
    ("GET", "/v1/orders/{order}"): "event:read",
    ("GET", "/v1/recordings"): "event:read",
    ("GET", "/v1/recordings/{recording}"): "event:read",
    ("GET", "/v1/events"): "event:read",
    ("GET", "/v1/people"): "event:read",
    ("POST", "/v1/orders/{order}/close"): "order:write",
    ("POST", "/v1/orders/{order}/confirm"): "order:write",
    ("POST", "/v1/orders/{order}/stand_down"): "order:write",
    ("GET", "/v1/duty"): "event:read",
    ("GET", "/v1/reports"): "event:read",
    ("POST", "/v1/acts"): "order:write",
    ("GET", "/openapi.json"): None,
}
OPEN = {("GET", "/healthz"), ("GET", "/metrics")}
HOLDER = {
    "alert:write": "writer",
    "alert:cancel": "canceller",
    "order:write": "clerk",
    "event:read": "reader",
}


def routes_of(app):
    document = app.openapi()
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.asyncio
async def test_every_route_has_its_line_in_the_table_above(door):
    routes = routes_of(door.app)
    assert set(routes) == set(NEEDS) | OPEN
    for route, operation in routes.items():
        scope = NEEDS.get(route)
        security = None if route in OPEN else [{"bearer": [scope] if scope else []}]
        assert operation.get("security") == security, route


def wrong_headers(tokens):
    good = tokens["centre"]
    return {
        "none": {},
        "empty": {"authorization": ""},
        "basic": {"authorization": "Basic Z3drOng="},
        "bare": {"authorization": good},
        "shape": {"authorization": "Bearer gwk_centre_short"},
        "unknown": {"authorization": f"Bearer {new_token('nobody')[0]}"},
        "wrong": {"authorization": f"Bearer {new_token('centre')[0]}"},
        "other holder": {"authorization": f"Bearer {good.replace('centre', 'reader')}"},
        "cut": {"authorization": f"Bearer {good[:-1]}"},
        "longer": {"authorization": f"Bearer {good}A"},
        "not ascii": {"authorization": "Bearer gwk_centre_é"},
        "expired": {"authorization": f"Bearer {tokens['past']}"},
    }


@pytest.mark.asyncio
async def test_whoever_has_no_good_token_gets_one_and_the_same_401(door):
    answers = set()
    for method, path in NEEDS:
        for headers in wrong_headers(door.tokens).values():
            url = door.base + path.replace("{id}", "JQ-1").replace("{order}", "o11")
            async with door.http.request(method, url, headers=headers, data=b"{}") as answer:
                answers.add((answer.status, await answer.text()))
                assert answer.headers["www-authenticate"] == "Bearer"
    assert answers == {(401, '{"detail":"a valid token is needed"}')}
    assert door.engine.alerts() == []
    assert door.engine.acts() == []


@pytest.mark.asyncio
async def test_a_token_without_the_scope_gets_403_and_with_it_gets_in(door):
    for (method, path), scope in NEEDS.items():
        url = door.base + path.replace("{id}", "JQ-1").replace("{order}", "o11")
        for held, name in HOLDER.items():
            async with door.http.request(
                method, url, headers=door.auth(name), data=b"{}"
            ) as answer:
                allowed = scope in (None, held)
                assert (answer.status != 403) == allowed, (method, path, name, answer.status)


@pytest.mark.asyncio
async def test_a_token_is_good_to_the_end_of_its_last_day(door):
    assert (await door.get("/v1/orders", name="today"))[0] == 200
    door.clock.time_us = START_US + 86_400_000_000
    assert (await door.get("/v1/orders", name="today"))[0] == 401


@pytest.mark.asyncio
async def test_failures_are_counted_journalled_sparingly_and_never_spelt_out(door, caplog):
    canary = secrets.token_urlsafe(32)
    with caplog.at_level(logging.DEBUG):
        for _ in range(50):
            headers = {"authorization": f"Bearer gwk_centre_{canary}"}
            async with door.http.get(door.base + "/v1/orders", headers=headers) as answer:
                assert answer.status == 401
    async with door.http.get(door.base + "/metrics") as answer:
        metrics = await answer.text()
    assert 'gridcall_http_refused_total{reason="not admitted"} 50.0' in metrics
    assert "gridcall_rows" in metrics
    rows = door.engine.refused()
    assert len(rows) == 1, "a stranger must not fill the journal"
    everything = caplog.text + repr(rows) + metrics
    assert canary not in everything
    assert "wrong" in rows[0].reason


def test_the_journal_of_tokens_keeps_two_of_one_holder_while_one_is_replaced():
    tokens, entries = make_tokens()
    token, digest = new_token("centre")
    old = next(e for e in entries if e.id == "centre")
    register = TokenRegister((*entries, old.model_copy(update={"sha256": digest})))
    for presented in (tokens["centre"], token):
        assert register.holder(f"Bearer {presented}", START_US).id == "centre"
    with pytest.raises(TokenRefusedError):
        register.holder("Bearer " + token[:-1] + ("A" if token[-1] != "A" else "B"), START_US)


def test_the_rate_is_a_bucket_that_fills_again():
    now = 0.0
    rate = AlertRate(10, lambda: now)
    assert all(rate.wait_s("a", level_1=False) == 0 for _ in range(100))
    assert rate.wait_s("a", level_1=False) == pytest.approx(0.1)
    assert rate.wait_s("b", level_1=False) == 0
    assert [rate.wait_s("a", level_1=True) == 0 for _ in range(6)] == [True] * 5 + [False]
    now = 1.0
    assert sum(rate.wait_s("a", level_1=False) == 0 for _ in range(20)) == 10
    now = 61.0
    for _ in range(100):
        rate.wait_s("a", level_1=False)
    assert rate.wait_s("a", level_1=True) == 0, "level 1 has its five again after a minute"


def test_who_may_send_many_a_second_may_send_them_at_once():
    rate = AlertRate(1000, lambda: 0.0)
    assert sum(rate.wait_s("a", level_1=False) == 0 for _ in range(1200)) == 1000
