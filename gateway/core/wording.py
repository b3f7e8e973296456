"""What is said and written: sentences for the air, text and buttons for the chats.

Every sentence comes from a catalogue (``gateway/data/catalogue_<language>.yaml``), given in by
the caller; text of alerts and names are plain material put into its gaps, never formats.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING

from gateway.core.alert import Alert
from gateway.core.effects import Button
from gateway.core.faults import in_words
from gateway.core.order import Assignment, Node, Order, OrderStatus
from gateway.core.policy.policy import grade_of, response_to, times_of
from gateway.core.policy.redaction import redacted
from gateway.core.policy.templates import filled
from gateway.core.reasons import Why, Worded
from gateway.core.spoken_numbers import spoken_number, spoken_numbers

if TYPE_CHECKING:
    from gateway.core.places import Site

Catalogue = Mapping[str, str]

# A spoken place and text longer than this are cut and 详情看群 follows: about 15 s of speech,
# so that a page with its frame stays under the shortest time-out of common sets (30 s).
SPOKEN_TEXT_CHARS = 70
SPOKEN_PLACE_CHARS = 30
SPOKEN_NAME_CHARS = 12
SPOKEN_CALLER_CHARS = 20

_BUTTON_ROWS = (("1", "2", "3"), ("4", "5", "0"))
_LABELS = itemgetter(*(f"button_{a}" for row in _BUTTON_ROWS for a in row))


@cache
def _rows_of(labels: tuple[str, ...]) -> tuple[tuple[Button, ...], ...]:
    """Return the rows of buttons that are labelled so; a handful of languages, made once."""
    said = (label.format_map({}) for label in labels)
    return tuple(tuple(Button(label=next(said), action=a) for a in r) for r in _BUTTON_ROWS)


# What a leader says for his team as well.
_TAKEN = (Node.ACKNOWLEDGED, Node.EN_ROUTE, Node.ARRIVED, Node.DONE, Node.HANDOVER)


def _plain(text: str) -> str:
    """Return text as one line without control characters: it is hostile until shown."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def because(site: "Site", why: Why, **gaps: object) -> Worded:
    """Return a reason in the site's language."""
    return Wording(site).text(why, **gaps)


class Wording:
    """The catalogue of one language, applied to one site."""

    def __init__(self, site: "Site", language: str | None = None) -> None:
        self._site = site
        self.language = language if language in site.catalogues else site.language
        self._words = site.catalogues[self.language]

    def text(self, key: str, **gaps: object) -> Worded:
        """Return a sentence with its gaps filled; the fillings are never formats themselves."""
        plain = {k: _plain(str(v)) for k, v in gaps.items()}
        return Worded(self._words[key].format_map(plain))

    def fault(self, said: str | None) -> Worded:
        """Return what a driver says failed; what is not known to the catalogues, as it came."""
        english = self._site.catalogues.get("en", self._words)
        return Worded(_plain(in_words(said or "", english, self._words)))

    def grid_names(self, order: Order) -> str:
        """Return the names of the grids an order addresses, own grid first."""
        names = [g.name for i in order.grids if (g := self._site.grids.get(i)) is not None]
        return self.listed(names[:2]) if names else self._site.name

    def listed(self, items: Iterable[str]) -> str:
        """Return several things in a row, as this language writes them."""
        return self._words["separator"].join(items)

    def caller(self, order: Order) -> str:
        """Return in whose name an order is given: the centre's, or the body's whose it is."""
        body = self._site.organisations.get(order.alert.organisation or "")
        return self._site.centre_name if body is None else body.name

    def _number(self, order: Order) -> str:
        number = spoken_number(order.number, self.language, self._site.number_style)
        return self.text("exercise_number", number=number) if order.alert.exercise else number

    def written_number(self, order: Order) -> str:
        """Return an order's number as it is written: a drill's says that it is one."""
        number = order.number
        return self.text("exercise_written", number=number) if order.alert.exercise else number

    def line(self, order: Order, key: str, **gaps: object) -> str:
        """Return a line about an order by its number: of a drill it says so first and last."""
        text = self.text(key, number=self.written_number(order), **gaps)
        return self.in_exercise(text) if order.alert.exercise else text

    def in_exercise(self, text: str) -> str:
        """Return a line that says first and last that it is of a drill."""
        return self.text("exercise_line", text=text)

    def _framed(self, order: Order, sentences: list[str]) -> tuple[str, ...]:
        if order.alert.exercise:
            exercise = self.text("exercise")
            sentences = [exercise, *sentences, exercise]
        return tuple(sentences)

    def say_order(
        self, order: Order, *, repeat: bool = False, turns: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the sentences that speak an order.

        Args:
            order: The order.
            repeat: Whether it was spoken before.
            turns: Names of who is to answer one after the other, in this order.
        """
        alert = order.alert
        body, cut = self._say_what(order)
        sentences: list[str] = [self.text("repeat_word")] if repeat else []
        sentences.append(
            self.text(
                "say_call",
                grid=self._numbers(self.grid_names(order)),
                centre=self.caller(order)[:SPOKEN_CALLER_CHARS],
            )
        )
        sentences += body
        for _ in range(1, times_of(self._site, order)):
            sentences += [self.text("repeat_word"), *body]
        muster = self._muster(order)
        if muster is not None:
            sentences.append(self.text("say_muster", place=muster))
        if alert.level == 1:
            sentences.append(self.text("say_safety"))
        if cut:
            sentences.append(self.text("say_more"))
        sentences.append(self.say_turns(turns) if turns else self.text("say_answer"))
        return self._framed(order, sentences)

    def _say_what(self, order: Order) -> tuple[list[str], bool]:
        """Return the sentences that say what there is to do, and whether that is not all."""
        alert = order.alert
        kind = self._site.policy.kind(alert)
        place, text, cut = self._on_air(alert)
        template = kind.say.get(self.language) if kind is not None else None
        if template is not None:
            gaps = self._gaps(order, place=place, text=text, number=self._number(order))
            said = [self._numbers(filled(sentence, gaps)) for sentence in template]
            return [sentence for sentence in said if sentence.strip()], cut
        level = self.text(f"level_{int(alert.level)}")
        said_text = self._joined(place, text)
        about = self.text("say_order", level=level, number=self._number(order), text=said_text)
        tasks = self._site.policy.tasks(alert)
        if not tasks:
            return [about, self.text("say_task", needs=alert.needs)], cut
        listed = self.listed(tasks)
        return [about, self.text("say_tasks", tasks=listed, needs=alert.needs)], cut

    def _gaps(self, order: Order, **gaps: str) -> dict[str, str]:
        """Return what fills the gaps of a template, each as one plain line."""
        alert = order.alert
        category = self._site.policy.category(alert)
        found = {
            "level": self.text(f"level_{int(alert.level)}"),
            "category": category.name if category is not None else "",
            "needs": str(alert.needs),
            "tasks": self.listed(self._site.policy.tasks(alert)),
            "grid": self.grid_names(order),
        }
        return {name: _plain(value) for name, value in (found | gaps).items()}

    def _muster(self, order: Order) -> str | None:
        """Return where guards of an order gather first, where its own grid says so.

        Those of a zone or of all grids are not sent to the one of the first.
        """
        if (order.alert.to or "").partition("/")[0] in ("all", "zone"):
            return None
        grid = self._site.grids.get(order.grids[0]) if order.grids else None
        return None if grid is None else grid.muster

    def say_turns(self, turns: Sequence[str]) -> str:
        """Return the sentence that gives each his turn to answer."""
        places = (
            self.text(
                "say_turn",
                name=name[:SPOKEN_NAME_CHARS],
                place=spoken_number(str(place), self.language, "plain"),
            )
            for place, name in enumerate(turns, start=1)
        )
        slot_s = self._site.response.slot_s
        return self.text("say_turns", turns=self.listed(places), slot_s=slot_s)

    def _on_air(self, alert: Alert) -> tuple[str, str, bool]:
        """Return the place and the text as they are spoken, and whether that is not all.

        A place that the text names already is not said twice. Policy decides how much of an
        alert goes on the open radio; what is not said there guards read in the chat.
        """
        policy = self._site.policy
        how = policy.on_radio(alert)
        category = policy.category(alert)
        name = category.name if category is not None else ""
        if how == "none":
            return "", "", True
        if how == "code":
            return "", (category.code if category is not None else None) or name, True
        where = "" if "place" in policy.keep_off_radio else self._kept(alert.place, alert)
        if how == "summary":
            return where[:SPOKEN_PLACE_CHARS], name, True
        whole = self._kept(alert.text, alert)
        place = where if where and where not in whole else ""
        short = place[:SPOKEN_PLACE_CHARS]
        text = whole[: SPOKEN_TEXT_CHARS - len(short)]
        cut = len(short) < len(place) or len(text) < len(whole) or whole != alert.text
        return short, text, cut

    def _kept(self, text: str | None, alert: Alert) -> str:
        """Return a text without what may not be said of it on the air."""
        policy = self._site.policy
        return self._redacted(text or "", policy.keep_off_radio, alert.private)

    def _redacted(self, text: str, fields: Iterable[str], private: Iterable[str]) -> str:
        folding = self._site.policy.folding
        return redacted(text, fields, private, folding, lambda f: self.text(f"redacted_{f}"))

    def _joined(self, place: str, text: str) -> str:
        # Joined here, not in a gap each: a gap loses the blank at its end.
        where = self._words["say_place"].format(place=place) if place else ""
        return self._numbers(where + text)

    def on_open_radio(self, text: str) -> str:
        """Return any words as they may be spoken on the air: no names, plates or numbers."""
        return self._redacted(text, self._site.policy.keep_off_radio, ())

    def in_chats(self, text: str) -> str:
        """Return any words as they may stand in a chat."""
        return self._redacted(text, self._site.policy.keep_out_of_chat, ())

    def written(self, text: str, alert: Alert) -> str:
        """Return words about an alert as they may stand in a chat."""
        policy = self._site.policy
        private = alert.private if "names" in policy.keep_out_of_chat else ()
        return self._redacted(text, policy.keep_out_of_chat, private)

    def told(self, alert: Alert, *, police: bool = False) -> str:
        """Return what a chat is told of an alert.

        Args:
            alert: The alert.
            police: Whether only the station, or a manager, reads it: he is told the whole.
        """
        how = "full" if police else self._site.policy.in_chat(alert)
        category = self._site.policy.category(alert)
        if how == "summary" and category is not None:
            return category.name
        if how != "full":
            return self.text("card_no_text")
        return _plain(self.written(alert.text, alert))

    def told_with_place(self, alert: Alert, *, police: bool = False) -> str:
        """Return where something is and what, as a line below a card may tell it."""
        told = self.told(alert, police=police)
        place = self._place(alert, police=police)
        ahead = self._words["say_place"].format(place=place)
        return told if not place or place in told else ahead + told

    def _place(self, alert: Alert, *, police: bool) -> str:
        """Return the place of an alert as a chat may read it; empty where it may not."""
        policy = self._site.policy
        hidden = "place" in policy.keep_out_of_chat or policy.in_chat(alert) == "none"
        return "" if hidden and not police else self.written(alert.place or "", alert)

    def _point(self, alert: Alert, *, police: bool) -> str:
        """Return where an alert is that names no place, as a map finds it; likewise."""
        hidden = "place" in self._site.policy.keep_out_of_chat
        hidden = hidden or self._site.policy.in_chat(alert) == "none"
        if alert.location is None or (hidden and not police):
            return ""
        lat, lon = (alert.location.lat_udeg / 1e6, alert.location.lon_udeg / 1e6)
        datum = alert.location.datum.value
        return self.text("card_point", lat=f"{lat:.5f}", lon=f"{lon:.5f}", datum=datum)

    def _numbers(self, text: str) -> str:
        """Return a text with house numbers and times as they are said here."""
        return spoken_numbers(text, self.language, self._site.number_style)

    def say_update(self, order: Order) -> tuple[str, ...]:
        """Return the sentences that speak an amendment."""
        place, text, cut = self._on_air(order.alert)
        text = self._joined(place, text)
        said: list[str] = [self.text("say_update", number=self._number(order), text=text)]
        if order.alert.level == 1:
            said.append(self.text("say_safety"))
        if cut:
            said.append(self.text("say_more"))
        return self._framed(order, [*said, self.text("say_answer")])

    def say_stand_down(self, order: Order) -> tuple[str, ...]:
        """Return the sentences that call everybody off."""
        key = "say_drill_aborted" if "aborted" in order.flags else "say_stand_down"
        said = self.text(key, number=self._number(order))
        return self._framed(order, [said])

    def say_point(self, order: Order, name: str, point: str) -> tuple[str, ...]:
        """Return the sentences that send somebody to a blocking point."""
        said = self.text(
            "say_point", number=self._number(order), name=name[:SPOKEN_NAME_CHARS], point=point
        )
        return self._framed(order, [said])

    def say_caution(self, order: Order, text: str) -> tuple[str, ...]:
        """Return the sentences of a warning; where barred, only that one is to be read."""
        alert = order.alert
        spoken = self._site.policy.on_radio(alert) in ("full", "summary")
        read = self.text("say_caution_read")
        words = self._numbers(self._kept(text, alert)) if spoken else read
        return self._framed(
            order, [self.text("say_caution", number=self._number(order), text=words)]
        )

    def say_help(self, order: Order) -> tuple[str, ...]:
        """Return the sentences that ask for help at a place somebody has reached."""
        said = self.text("say_help", number=self._number(order))
        return self._framed(order, [said, self.text("say_answer")])

    def card(
        self,
        order: Order,
        about: Iterable[str],
        people: Iterable[tuple[str, Assignment]],
        *,
        heading: str | None = None,
        ending: str | None = None,
        owner: str | None = None,
        silent: str = "card_nobody",
    ) -> str:
        """Return a card's text.

        Args:
            order: The order.
            about: What is said of the order itself: ``card_about``.
            people: Name and assignment of everybody whose state is shown.
            heading: A first line for whom it is, or None.
            ending: A last line (cancelled, closed), or None.
            owner: Name of who is accountable now, or None.
            silent: Key of what is said where none of the people has said anything.
        """
        alert = order.alert
        lines: list[str] = [self.text("card_exercise")] if alert.exercise else []
        if heading:
            lines.append(heading)
        lines += about
        lines += self._states(people) or [self.text(silent)]
        if owner is not None:
            lines.append(self.text("card_owner", name=owner))
        if order.status is OrderStatus.UNANSWERED:
            lines.append(self.text("card_unanswered"))
        if ending:
            lines.append(ending)
        if alert.exercise:
            lines.append(self.text("card_exercise"))
        return "\n".join(lines)

    def card_about(self, order: Order, *, police: bool) -> list[str]:
        """Return the lines of a card that are of the order itself, whoever reads it.

        Args:
            order: The order.
            police: Whether only the station, or a manager, reads it.
        """
        alert = order.alert
        title: str = self.text(
            "card_title",
            level=self.text(f"level_{int(alert.level)}"),
            number=self.written_number(order),
            grid=self.grid_names(order),
        )
        if order.revision:
            title += self.text("card_updated", revision=order.revision)
        lines = [title]
        lines += self._about(order, police=police)
        lines.append(self.text("card_needs", needs=alert.needs))
        muster = self._muster(order)
        if muster is not None:
            lines.append(self.text("card_muster", place=muster))
        lines.append(self.text("card_from", name=self.caller(order)))
        if order.open:
            lines += self._instructions(order)
        if order.status is OrderStatus.HELD:
            lines.append(self.text("card_held"))
        return lines

    def photo(self, order: Order, caption: str) -> str:
        """Return what stands below a photo: of a drill it says so first and last."""
        text = self.written(caption, order.alert)
        said = self.text("photo_caption", number=self.written_number(order), text=text)
        if not order.alert.exercise:
            return said
        exercise = self.text("card_exercise")
        return f"{exercise}\n{said}\n{exercise}"

    def _about(self, order: Order, *, police: bool) -> list[str]:
        """Return what a card says of an alert: its text, its place, what is to be done."""
        alert, policy = order.alert, self._site.policy
        kind = policy.kind(alert)
        text = self.told(alert, police=police)
        lines = [text]
        place = self._place(alert, police=police)
        if place:
            lines.append(self.text("card_place", place=place))
        elif not alert.place and (point := self._point(alert, police=police)):
            lines.append(point)
        template = kind.write.get(self.language) if kind is not None else None
        tasks = policy.tasks(alert)
        if template is not None:
            gaps = self._gaps(order, place=place, text=text, number=order.number)
            lines.append(filled(template, gaps))
        elif tasks:
            lines.append(self.text("card_tasks", tasks=self.listed(tasks)))
        return lines

    def _instructions(self, order: Order) -> list[str]:
        level = int(order.alert.level)
        grid = self._site.grids.get(order.grids[0]) if order.grids else None
        response = response_to(self._site, order)
        arrive_s = response.arrive_s[grade_of(self._site, order) - 1]
        lines: list[str] = [
            self.text(
                "card_deadline",
                acknowledge_s=response.acknowledge_s[level - 1],
                arrive_min=f"{arrive_s / 60:g}",
            )
        ]
        if grid is not None and grid.channel is not None:
            lines.append(self.text("card_radio", number=order.number))
        if level == 1:
            lines.append(self.text("card_safety"))
        return lines

    def _states(self, people: Iterable[tuple[str, Assignment]]) -> list[str]:
        return [self._line(name, part) for name, part in people if part.said]

    def _line(self, name: str, part: Assignment) -> str:
        """Return what one person said; a leader's taking is said to be for his team."""
        state = self.state(part)
        if part.leads and part.team and part.said[-1].node in _TAKEN:
            return self.text("card_team", name=name, state=state, team=part.team)
        return self.text("card_line", name=name, state=state)

    def state(self, assignment: Assignment) -> str:
        """Return what one person last said, in words, with his reason if he gave one."""
        last = assignment.said[-1].node if assignment.said else Node.TOLD
        said: str = self.text(f"state_{last.value}")
        if last is Node.DECLINED and assignment.reason:
            said += f"（{_plain(assignment.reason)}）"
        return f"{said} {_plain(assignment.point)}" if assignment.point else said

    def understood_button(self) -> tuple[tuple[Button, ...], ...]:
        """Return the one button of a card whose order was called off: it says 知道了."""
        return ((Button(label=self.text("button_understood"), action="1"),),)

    def say_called_off(self, order: Order, names: Sequence[str]) -> tuple[str, ...]:
        """Return the sentences that call people off by name while the order goes on."""
        said = self.listed(name[:SPOKEN_NAME_CHARS] for name in names)
        return self._framed(
            order, [self.text("say_called_off", number=self._number(order), names=said)]
        )

    def say_still(self, order: Order, names: Sequence[str]) -> tuple[str, ...]:
        """Return the sentences that ask people by name whether they are still on it."""
        said = self.listed(name[:SPOKEN_NAME_CHARS] for name in names)
        return self._framed(
            order, [self.text("say_still", number=self._number(order), names=said)]
        )

    def buttons(self, *, handover: bool = False) -> tuple[tuple[Button, ...], ...]:
        """Return the rows of buttons of a card that can still be answered."""
        rows = _rows_of(_LABELS(self._words))
        if not handover:
            return rows
        return (*rows, (Button(label=self.text("button_6"), action="6"),))
