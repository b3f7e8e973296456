"""Every core row has a story, and every story a row."""

from tests.stories.world import rows_told

# What the documents of the users describe, one line each.
CORE = {
    "A1": "one command authority signs every order",
    "A2": "who is on duty and reachable is known before the alert; an uncovered grid is told",
    "A3": "guards of banks, schools, hospitals: organisation, site, guard in the register",
    "A5": "all hours: no order is lost, whatever the hour",
    "A6": "patrol, first handling, emergency: levels differ in tone, clocks and repetition",
    "A8": "grids found by polygon, code, alias",
    "A9": "two named managers a grid; both may pause or extend their guards",
    "A10": "what guards do is a closed list, spoken from templates",
    "A11": "a guard reports upwards and hears that the centre has it",
    "A12": "the centre's order reaches the guards of the grid",
    "A13": "muster, arrivals counted, handover to the police",
    "A14": "person, post, radio and call sign belong together",
    "A16": "the centre has every timeline node",
    "A17": "a grid has its chat group and its channel, and both are used",
    "A18": "the nearest guard is called by his radio",
    "A19": "the station is ordered at the same moment, with a clock of its own",
    "A20": "an order is to a person, and acknowledged by each",
    "A24": "an inspector calls the roll, and who is missing is listed",
    "A25": "the shared channel: listen first, level 1 ahead, never over a human otherwise",
    "A27": "what may go on open radio, in the chat, or in neither",
    "A30": "one button, one digit, plain words",
    "A31": "enrolled in a minute, gone in seconds",
    "A33": "a guard tied to his post says so, and the next is called",
    "B7": "neighbouring grids are called when nobody answers",
    "B9": "a plan for an event: grid, channel, group and people, from a start to an end",
    "B12": "times come from buttons and tones, not from later typing",
    "C1": "three tiers of force, one after the other",
    "C3": "four crews in three shifts: who is on duty when",
    "C5": "1-3-5 minutes to arrival: warnings and breach",
    "C7": "zones and grids out of one file",
    "C10": "the zone's grade sets tone, window and clocks",
    "C13": "several companies, each with its own people",
    "C14": "orders to a zone, a station or a grid",
    "C15": "a grid with nobody on duty and a silent channel are told",
    "C16": "one accountable owner of an order at each moment",
    "C26": "readiness: a drill through the whole chain",
    "D1": "machine alerts: tests page nobody, storms are held down",
    "D3": "500 groups, 2,000 people, 50 grids on one small machine",
    "D7": "warnings to the guards: read in the chat, spoken when nobody talks",
    "D10": "a power cut needs no repair",
    "D11": "the radio works with the internet down",
    "D13": "nobody near is said, not paged to all",
    "E1": "a guard raises the alert with one key or tap",
    "E2": "only the centre and the police order other companies' guards",
    "E3": "a company's office is copied and answers for its guards",
    "E6": "a call for support: neighbours and police, each its blocking point",
    "E7": "a drill is said and written first and last, and counted apart",
    "E9": "a lost radio is blocked at once",
    "E11": "a photo to the groups, answers threaded, recalled in time",
    "E12": "police too far: the nearest partner is proposed",
    "E13": "only simple alerts go to guards, or by a named person's release",
    "E14": "updates and cautions inside the same order",
    "E18": "helping and guarding the scene is an action of its own",
    "E20": "what a meeting decided reaches everybody, and who has not read it is listed",
}

# Rows whose stories are not told yet: a row leaves this set with its story, one a line.
MISSING: set[str] = set()


def test_every_core_row_has_a_story():
    """A core row is told, or stands in the set that must shrink."""
    assert set(CORE) - rows_told() - MISSING == set()


def test_what_is_told_is_not_missing():
    """Take a row out of MISSING when its story is there."""
    assert MISSING & rows_told() == set()


def test_stories_and_gaps_name_rows_that_there_are():
    """A story of a row that nobody listed is a slip of the pen."""
    assert (rows_told() | MISSING) - set(CORE) == set()
