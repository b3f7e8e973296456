"""People as a table: the bytes of a CSV file into rows, the rows into what is to be done.

Everything wrong is found before anything is done: each mistake has its line, its column and
what would be right. A column that is not there is left as it is; an empty cell takes a value
away. The same table a second time changes nothing.
"""

import codecs
import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.core.people import ERASED, Person
from gateway.core.places import Site
from gateway.core.reasons import Reason
from gateway.core.register.check import dangling
from gateway.core.register.fields import (
    BY_HEADING,
    COLUMNS,
    FIELDS,
    changed,
    new_person,
    read_id,
    written,
)
from gateway.core.wording import Wording

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_ROWS: Final = 50_000
# Beyond this it is another table, and nobody reads a mistake for each of its columns.
MAX_COLUMNS: Final = 200
# So many are named with whom somebody shares what is one person's alone.
MOST_NAMED: Final = 5
UTF_8, GB18030 = "utf-8", "gb18030"
CHARSETS: Final = (UTF_8, GB18030)
# A table program computes a cell that begins so; a stroke before it keeps it text.
_COMPUTED: Final = ("=", "+", "-", "@", "\t")
_SEPARATORS: Final = (",", "\t", ";")
_SAY_WHICH: Final = "say which: --charset utf-8 or --charset gb18030"


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong in a table.

    Attributes:
        line: Line of the file, 1 for the headings; 0 for the whole file.
        column: Its heading; empty for the whole line.
        what: What is wrong and what would be right.
    """

    line: int
    column: str
    what: str

    def __str__(self) -> str:
        """Return it as one line of a report."""
        where = f"line {self.line}" if self.line else "the file"
        return ": ".join(part for part in (where, self.column, self.what) if part)


class TableError(ValueError):
    """The bytes are no table that can be read; its text says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One person's line: his id and the cells of the columns there are."""

    line: int
    id: str
    cells: Mapping[str, str]


@dataclass(slots=True)
class Plan:
    """What a table comes to against a register.

    Attributes:
        enter: People who are new.
        change: Person id → what changes, as written.
        same: How many lines change nothing.
        mistakes: All that is wrong, by line.
    """

    enter: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    change: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    same: int = 0
    mistakes: list[Mistake] = field(default_factory=list)


# ---- bytes to text ----


def decoded(raw: bytes, declared: str | None = None) -> tuple[str, str]:
    """Return the text of a file and its charset, ``utf-8`` or ``gb18030``.

    Raises:
        TableError: It is neither, or could be both; says what to do.
    """
    if len(raw) > MAX_BYTES:
        raise TableError(f"has {len(raw)} bytes; the limit is {MAX_BYTES}: split it")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TableError("is UTF-16; save it as CSV UTF-8")
    if raw.startswith(codecs.BOM_UTF8):
        if declared == GB18030:
            raise TableError("begins with the mark of UTF-8, and gb18030 was said")
        return _read(raw, UTF_8)[1:], UTF_8
    if declared is not None:
        return _read(raw, declared), declared
    return _guessed(raw)


def _read(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TableError(f"is not {charset} at line {line}; {_SAY_WHICH}") from error


def _guessed(raw: bytes) -> tuple[str, str]:
    """Return the text in the one charset in which it makes sense."""
    good = {}
    for charset in CHARSETS:
        try:
            good[charset] = raw.decode(charset)
        except UnicodeDecodeError:
            continue
    if not good:
        raise TableError(f"is neither UTF-8 nor GB18030 throughout; {_SAY_WHICH}")
    if UTF_8 not in good and not _mostly_everyday(good[GB18030]):
        # Bytes of a broken UTF-8 file are often a GB18030 text, in which every name is wrong.
        raise TableError(f"is not UTF-8, and makes little sense as GB18030; {_SAY_WHICH}")
    if len(good) == 1 or raw.isascii():
        charset, text = next(iter(good.items()))
        return text, charset
    likely = [charset for charset in CHARSETS if _everyday(good[charset])]
    if len(likely) != 1:
        raise TableError(f"could be UTF-8 as well as GB18030; {_SAY_WHICH}")
    return good[likely[0]], likely[0]


def _mostly_everyday(text: str) -> bool:
    """Return whether of a text's signs beyond ASCII at least three in four are in everyday use.

    A name may well have a rare one.
    """
    signs = [sign for sign in text if not sign.isascii()]
    return 4 * sum(map(_everyday, signs)) >= 3 * len(signs)


def _everyday(text: str) -> bool:
    """Return whether every sign of a text is one of the some 7000 in everyday use."""
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


# ---- text to rows ----


def rows_of(text: str) -> tuple[list[Row], list[Mistake]]:
    """Return the rows of a table, with what is wrong in its form."""
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names, mistakes = _headings(next(reader, []))
    except csv.Error as error:
        return [], [Mistake(1, "", f"cannot be read: {error}")]
    if mistakes:
        return [], mistakes
    rows: list[Row] = []
    try:
        for cells in reader:
            if len(rows) >= MAX_ROWS:
                mistakes.append(Mistake(reader.line_num, "", f"more than {MAX_ROWS} people"))
                break
            if any(cell.strip() for cell in cells):
                _take_row(reader.line_num, names, cells, rows, mistakes)
    except csv.Error as error:
        mistakes.append(Mistake(reader.line_num, "", f"cannot be read: {error}"))
    return rows, mistakes + list(_twice(rows))


def _headings(cells: Sequence[str]) -> tuple[list[str], list[Mistake]]:
    """Return the fields that headings name, English or Chinese."""
    if len(cells) > MAX_COLUMNS:
        what = f"has {len(cells)} columns, and people have {len(COLUMNS)}: is it their table?"
        return [], [Mistake(1, "", what)]
    names, mistakes = [], []
    for cell in cells:
        heading = cell.strip()
        name = heading if heading in COLUMNS else BY_HEADING.get(heading, "")
        if not name:
            known = [*COLUMNS, *BY_HEADING]
            near = difflib.get_close_matches(heading[:40], known, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]}?" if near else f": {', '.join(COLUMNS)}"
            mistakes.append(Mistake(1, heading[:40], f"is no column of people{meant}"))
        elif name in names:
            mistakes.append(Mistake(1, heading, "stands twice"))
        names.append(name)
    if "id" not in names and not mistakes:
        mistakes.append(Mistake(1, "", "needs a column id (编号)"))
    return names, mistakes


def _take_row(
    line: int, names: list[str], cells: list[str], rows: list[Row], mistakes: list[Mistake]
) -> None:
    if len(cells) != len(names):
        what = f"has {len(cells)} cells; the headings are {len(names)}"
        mistakes.append(Mistake(line, "", what))
        return
    found = {name: _bare(cell) for name, cell in zip(names, cells, strict=True)}
    try:
        id_ = read_id(found.pop("id"))
    except ValueError as error:
        mistakes.append(Mistake(line, "id", str(error)))
        return
    rows.append(Row(line, id_, found))


def _bare(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _COMPUTED else cell


def _twice(rows: Iterable[Row]) -> Iterator[Mistake]:
    first: dict[str, Row] = {}
    for row in rows:
        before = first.setdefault(row.id, row)
        if before is row:
            continue
        one, other = (r.cells.get("organisation", "") for r in (before, row))
        in_two = f", in {one} and in {other}: a guard is of one" if one != other else ""
        yield Mistake(row.line, "id", f"{row.id} stands in line {before.line} too{in_two}")


# ---- rows to what is to be done ----


def planned(rows: Iterable[Row], register: Mapping[str, Person], site: Site) -> Plan:
    """Return what a table comes to.

    Args:
        rows: Its rows.
        register: Everybody who stands in the register, by id.
        site: The settings, for what people name.
    """
    plan = Plan()
    after = {id_: person for id_, person in register.items() if person.active}
    lines: dict[str, int] = {}
    for row in rows:
        known = register.get(row.id)
        try:
            person = _as_it_will_be(row, known)
        except ValueError as error:
            column, _, what = str(error).partition(": ")
            plan.mistakes.append(Mistake(row.line, column, what))
            continue
        lines[row.id] = row.line
        after[row.id] = person
        plan.mistakes += (_placed(row.line, wrong, site) for wrong in dangling(site, person))
        _note(plan, row, known, person)
    plan.mistakes += _clashes(after, lines, site)
    plan.mistakes.sort(key=lambda mistake: mistake.line)
    return plan


def _as_it_will_be(row: Row, known: Person | None) -> Person:
    """Return a person as a row wants him; ValueError as ``column: what would be right``."""
    if known is None:
        return new_person(row.id, row.cells)
    if not known.active:
        hint = "enter another id" if known.name == ERASED else "`gridcall people rejoin` him"
        raise ValueError(f"id: {row.id} has left; {hint}")
    person = changed(known, row.cells)
    if person.organisation != known.organisation:
        raise ValueError(
            f"organisation: {row.id} is of {known.organisation}; a guard is of one body "
            f"(`gridcall people move` takes him to {person.organisation})"
        )
    return person


def _note(plan: Plan, row: Row, known: Person | None, person: Person) -> None:
    if known is None:
        cells = {name: text for name, text in written(person).items() if text}
        plan.enter.append((row.id, cells))
        return
    before, after = written(known), written(person)
    changes = {name: after[name] for name in FIELDS if after[name] != before[name]}
    if changes:
        plan.change.append((row.id, changes))
    else:
        plan.same += 1


def _placed(line: int, wrong: Reason, site: Site) -> Mistake:
    # A table's mistakes are a technician's to read, like those of the settings.
    said = Wording(site, "en").text(wrong.why, **dict(wrong.gaps))
    column, _, what = said.partition(": ")
    return Mistake(line, column, what)


def _clashes(
    after: Mapping[str, Person], lines: Mapping[str, int], site: Site
) -> Iterator[Mistake]:
    """Yield codes, radios and papers that would be two people's, told at the table's line."""
    owners: dict[tuple[str, str], list[str]] = {}
    for id_, person in after.items():
        for column, value in _own(person):
            owners.setdefault((column, value), []).append(id_)
    for (column, value), ids in owners.items():
        for id_ in ids if len(ids) > 1 else ():
            if id_ in lines:
                others = _others(id_, ids, lines)
                yield Mistake(lines[id_], column, f"{value} is also that of {others}")
    for id_, line in lines.items():
        for radio in after[id_].addresses:
            for post in site.posts_of_radio.get(radio, ()):
                yield Mistake(line, "radios", f"{radio} stays at the post {post}")


def _others(id_: str, ids: Sequence[str], lines: Mapping[str, int]) -> str:
    """Return who else of ``ids`` there is, the first few by name."""
    named = [other for other in ids[: MOST_NAMED + 1] if other != id_][:MOST_NAMED]
    said = ", ".join(f"{o} (line {lines[o]})" if o in lines else o for o in named)
    more = len(ids) - 1 - len(named)
    return f"{said} and {more} more" if more else said


def _own(person: Person) -> Iterator[tuple[str, str]]:
    """Yield what must be one person's alone."""
    for column in ("guard_code", "certificate", "filing"):
        value = getattr(person, column)
        if value is not None:
            yield column, value
    for radio in person.addresses:
        yield "radios", radio


def handed_over(
    change: Iterable[tuple[str, Mapping[str, str]]], register: Mapping[str, Person]
) -> list[tuple[str, dict[str, str]]]:
    """Return what people give away first, because others of the table get it from them.

    Codes, radios and papers are one person's alone at every moment, and a table may pass them
    round: A gets B's code, and B that of A.
    """
    change = list(change)
    active = {id_: person for id_, person in register.items() if person.active}
    owners = {own: id_ for id_, person in active.items() for own in _own(person)}
    giving: dict[str, dict[str, str]] = {}
    changed_ids = {id_ for id_, _ in change}
    for id_, words in change:
        for own in _own(changed(register[id_], words)):
            owner = owners.get(own, id_)
            if owner != id_ and owner in changed_ids:
                giving.setdefault(owner, {})[own[0]] = ""
    return list(giving.items())


# ---- and back ----


def table_of(people: Iterable[Person], charset: str = UTF_8) -> bytes:
    """Return people as a CSV file with Chinese headings, which can be read in again."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["编号", *(FIELDS[name].heading for name in FIELDS)])
    for person in sorted(people, key=lambda p: p.id):
        words = written(person)
        writer.writerow([_kept_text(cell) for cell in (person.id, *words.values())])
    text = out.getvalue()
    return text.encode(GB18030) if charset == GB18030 else codecs.BOM_UTF8 + text.encode()


def _kept_text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_COMPUTED) else cell


def person_from(id_: str, words: Mapping[str, str], *, active: bool) -> Person:
    """Return the person whom the running daemon describes."""
    return replace(new_person(id_, words), active=active)
