"""What the core decides by, out of the settings."""

from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.core.alert import Datum
from gateway.core.answers.replies import Action
from gateway.core.people import Contact, Person, Role
from gateway.core.places import Channel, ChatGroup, Grid, Post, Site, TalkGroup, Zone
from gateway.core.readiness.event_plan import EventPlan, GridChange, PlanDuty
from gateway.core.roster import Roster, RosterException, Shift
from gateway.core.wording import Catalogue
from gateway.settings.event_plans import EventPlanSettings
from gateway.settings.models import Settings
from gateway.settings.register import (
    organisation_of,
    person_of,
    policy_of,
    premises_of,
)
from gateway.settings.response import graded, response_of
from gateway.settings.sections import (
    GridSettings,
    PostSettings,
    RosterSettings,
)
from gateway.settings.sections import TalkGroup as TalkGroupSettings


def zone_of(settings: Settings) -> ZoneInfo:
    """Return the zone in which every time of the settings is written."""
    return ZoneInfo(settings.site.timezone)


def people_of(settings: Settings) -> tuple[tuple[Person, ...], tuple[Contact, ...]]:
    """Return the persons and contacts that the settings seed the register with."""
    people = tuple(person_of(id_, person) for id_, person in settings.people.items())
    contacts = tuple(
        Contact(person=id_, chat=chat, address=address, since_us=0)
        for id_, person in settings.people.items()
        for chat, address in person.contacts.items()
    )
    return people, contacts


def _deciders(settings: Settings) -> frozenset[str]:
    """Return the tokens by which the centre's people, not a body's, may decide."""
    http = settings.command_centre.http
    return frozenset(
        f"http/{token.id}"
        for token in (http.tokens if http is not None else ())
        if "order:write" in token.scopes and token.organisation is None
    )


def site_of(settings: Settings, catalogues: Mapping[str, Catalogue]) -> Site:
    """Return what the core decides by."""
    site = settings.site
    usual = response_of(settings.response)
    return Site(
        version=settings.version,
        id=site.id,
        name=site.name,
        centre_name=settings.command_centre.name,
        language=site.language,
        timezone=zone_of(settings),
        datum=Datum(site.datum),
        number_style=site.number_style,
        policy=settings.policy.policy(usual, settings.response.grades),
        deciders=_deciders(settings),
        mdc_status={
            int(number, 16): Action[word.upper()]
            for number, word in settings.policy.mdc_status.items()
        },
        selcall_status={
            digit: Action[word.upper()]
            for digit, word in settings.policy.selcall_status.items()
        },
        zones={
            id_: Zone(id=id_, name=zone.name, grade=zone.grade)
            for id_, zone in settings.zones.items()
        },
        grids={id_: _grid(id_, grid) for id_, grid in settings.grids.items()},
        posts={id_: _post(id_, post) for id_, post in settings.posts.items()},
        channels={
            id_: Channel(
                id=id_,
                name=channel.name,
                transmits=channel.licence is not None,
                ani_digits=channel.ani_digits,
                answer_window_s=channel.answer_window_s,
            )
            for id_, channel in settings.channels.items()
        },
        chat_groups={
            f"{id_}/{group}": ChatGroup(chat=id_, group=group, address=address)
            for id_, chat in settings.chats.items()
            for group, address in chat.groups.items()
        },
        organisations={
            id_: organisation_of(id_, body)
            for id_, body in settings.organisations.items()
        },
        roster=roster_of(settings.roster, zone_of(settings)),
        response=usual,
        graded=graded(usual, settings.response.grades, {}),
        machines=settings.machine_alerts.rules(),
        results={code: result.value(code) for code, result in settings.results.items()},
        catalogues=dict(catalogues),
        premises={id_: premises_of(id_, place) for id_, place in settings.premises.items()},
        register=policy_of(settings.admission),
        reports=settings.reports.policy(),
        readiness=settings.readiness.policy(),
        event_plans={
            id_: _plan(id_, plan, zone_of(settings))
            for id_, plan in settings.event_plans.items()
        },
        talk_groups={id_: _talk_group(id_, g) for id_, g in settings.talk_groups.items()},
    )


def _talk_group(id_: str, group: TalkGroupSettings) -> TalkGroup:
    def members(kind: str) -> tuple[str, ...]:
        return tuple(
            name
            for member, _, name in (m.partition(":") for m in group.members)
            if member == kind
        )

    return TalkGroup(
        id=id_,
        channels=members("channel"),
        chats=members("chat"),
        hours=group.minutes,
        relay=group.relay,
        sources=group.from_,
        roles=tuple(Role(role) for role in group.roles),
    )


def _udeg(point: tuple[float, float]) -> tuple[int, int]:
    """Return degrees as micro-degrees."""
    return round(point[0] * 1e6), round(point[1] * 1e6)


def _grid(id_: str, grid: GridSettings) -> Grid:
    return Grid(
        id=id_,
        name=grid.name,
        zone=grid.zone,
        codes=grid.codes,
        aliases=grid.aliases,
        polygon=tuple(_udeg(point) for point in grid.polygon),
        neighbours=grid.neighbours,
        first_manager=grid.first_manager,
        second_manager=grid.second_manager,
        station=grid.station,
        channel=grid.channel,
        chat=grid.chat,
        blocking_points=tuple(point.point() for point in grid.blocking_points),
        muster=grid.muster,
    )


def _post(id_: str, post: PostSettings) -> Post:
    return Post(
        id=id_,
        name=post.name,
        grid=post.grid,
        position=_udeg(post.at) if post.at else None,
        aliases=post.aliases,
        radios=post.radios,
        standing=post.standing,
    )


def _plan(id_: str, plan: EventPlanSettings, timezone: ZoneInfo) -> EventPlan:
    def moment(local: datetime | None) -> int | None:
        return None if local is None else _utc_us(local, timezone)

    return EventPlan(
        id=id_,
        name=plan.name,
        from_us=moment(plan.from_),
        to_us=moment(plan.to),
        keep_own=plan.keep_own,
        grids={grid_id: _grid(grid_id, grid) for grid_id, grid in plan.grids.items()},
        posts={post_id: _post(post_id, post) for post_id, post in plan.posts.items()},
        changes={
            grid_id: GridChange(channel=change.channel, chat=change.chat)
            for grid_id, change in plan.changes.items()
        },
        roster=tuple(
            PlanDuty(
                person=duty.person,
                grids=tuple(plan.grids) if duty.grids is None else duty.grids,
                post=duty.post,
                from_us=moment(duty.from_),
                to_us=moment(duty.to),
            )
            for duty in plan.roster
        ),
    )


def _minutes(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 60 + int(minutes)


def roster_of(roster: RosterSettings, timezone: ZoneInfo) -> Roster:
    """Return the roster with its times as UTC microseconds and minutes of the day."""
    exceptions: dict[str, list[RosterException]] = {}
    for item in roster.exceptions:
        exceptions.setdefault(item.person, []).append(
            RosterException(
                person=item.person,
                from_us=_utc_us(item.from_, timezone),
                to_us=_utc_us(item.to, timezone),
                on_duty=item.duty == "on",
                reason=item.reason,
            )
        )
    shifts = {
        id_: Shift(id=id_, from_min=_minutes(shift.from_), to_min=_minutes(shift.to))
        for id_, shift in roster.shifts.items()
    }
    return Roster(
        shifts=shifts,
        crews=roster.crews,
        holidays={day.date: dict(day.crews) for day in roster.holidays},
        exceptions={person: tuple(items) for person, items in exceptions.items()},
        start=roster.cycle.start if roster.cycle else date(2026, 1, 1),
        days=roster.cycle.days if roster.cycle else (),
    )


def _utc_us(local: datetime, timezone: ZoneInfo) -> int:
    return round(local.replace(tzinfo=timezone).timestamp() * 1_000_000)
