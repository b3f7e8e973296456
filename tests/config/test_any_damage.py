"""Whatever is done to a file, it is read or refused with places: never a traceback."""

import copy
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.settings import examine
from gateway.settings.yaml_source import read
from tests.config.examples import MODELS, ONE_POST, copy_of

TREE = read(ONE_POST).root.plain()
TEXT = ONE_POST.read_text("utf-8")


def paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, below in items:
        yield from paths(below, (*path, key))


PATHS = [path for path in paths(TREE) if path]
scalar = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(
        ["off", "9999-12-31", "0001-01-01", "2026-01-01T00:00", "23:59", "00:00", "p_zhang",
         "bank_street", "gate", "A", "rtp://[::1", "rtp://x:99999?local_port=1", "../x", "a/b"]
    )
)  # fmt: skip
junk = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


def damage(tree, path, value):
    part = tree
    for step in path[:-1]:
        part = part[step]
    if value is DELETE:
        del part[path[-1]]
    else:
        part[path[-1]] = value


DELETE = object()


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    spots=st.lists(st.sampled_from(PATHS), min_size=1, max_size=3, unique=True),
    values=st.lists(st.just(DELETE) | junk, min_size=3, max_size=3),
)
def test_any_value_anywhere_is_taken_or_refused(spots, values, tmp_path):
    tree = copy.deepcopy(TREE)
    # Last first, so that the way to the others stays.
    order = sorted(spots, key=PATHS.index, reverse=True)
    for path, value in zip(order, values, strict=False):
        if not any(other != path and other[: len(path)] == path for other in spots):
            damage(tree, path, value)
    file = copy_of(tmp_path, json.dumps(tree, ensure_ascii=False, indent=1))
    lines = file.read_text("utf-8").split("\n")
    result, problems = examine(file, MODELS)
    assert (result is None) == any(problem.severity == "error" for problem in problems)
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert problem.column >= 1


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(TEXT) - 1), length=st.integers(0, 40), new=st.text(max_size=5))
def test_any_cut_in_the_text_is_taken_or_refused(at, length, new, tmp_path):
    file = copy_of(tmp_path, "")
    file.write_bytes((TEXT[:at] + new + TEXT[at + length :]).encode("utf-8", "surrogatepass"))
    result, problems = examine(file, MODELS)
    assert (result is None) == any(problem.severity == "error" for problem in problems)
