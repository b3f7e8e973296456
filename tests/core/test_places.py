"""Points, borders, neighbours, and the two datums of Chinese maps."""

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.alert import Datum, Position
from gateway.core.calls.escalation import Response
from gateway.core.places import Grid, Site, grid_at, grids_near, in_china, ring, site_point
from gateway.core.roster import Roster


def site(**grids):
    return Site(
        version="0", id="t", name="t", centre_name="t", language="zh_CN",
        timezone=ZoneInfo("Asia/Shanghai"), datum=Datum.GCJ_02, zones={}, grids=grids, posts={},
        channels={}, chat_groups={}, organisations={}, roster=Roster(), response=Response(),
        catalogues={},
    )  # fmt: skip


def box(id_, south, west, north, east, *neighbours):
    corners = ((south, west), (north, west), (north, east), (south, east))
    return Grid(id=id_, name=id_, zone="z", polygon=corners, neighbours=neighbours)


LAT, LON = 29_100_000, 119_650_000
ROW = site(
    a=box("a", LAT, LON, LAT + 2000, LON + 2000, "b"),
    b=box("b", LAT, LON + 2000, LAT + 2000, LON + 4000, "a", "c"),
    c=box("c", LAT, LON + 4000, LAT + 2000, LON + 6000, "b", "d"),
    d=box("d", LAT + 2000, LON + 4000, LAT + 4000, LON + 6000, "c"),
)


def test_a_point_lies_in_its_grid():
    assert grid_at(ROW, LAT + 1000, LON + 1000) == "a"
    assert grid_at(ROW, LAT + 1000, LON + 3000) == "b"
    assert grid_at(ROW, LAT + 3000, LON + 5000) == "d"
    assert grid_at(ROW, LAT + 3000, LON + 1000) is None


def test_one_micro_degree_decides_at_a_border():
    assert grid_at(ROW, LAT + 1000, LON + 1999) == "a"
    assert grid_at(ROW, LAT + 1000, LON + 2001) == "b"


@given(along=st.integers(0, 1999))
def test_a_point_on_a_shared_border_lies_in_exactly_one(along):
    lat, lon = LAT + along, LON + 2000
    inside = [id_ for id_ in "ab" if grid_at(site(**{id_: ROW.grids[id_]}), lat, lon)]
    assert len(inside) == 1


corner = st.tuples(st.integers(0, 1000), st.integers(0, 1000))


@given(p=corner, q=corner, r=corner, part=st.integers(1, 99))
def test_two_triangles_on_one_edge_never_both_hold_or_drop_its_points(p, q, r, part):
    assume((q[0] - p[0]) * (r[1] - p[1]) != (q[1] - p[1]) * (r[0] - p[0]))
    opposite = (p[0] + q[0] - r[0], p[1] + q[1] - r[1])
    # One walks the edge forwards and the other backwards; the scale keeps points exact.
    p100, q100, r100, s100 = [(x * 100, y * 100) for x, y in (p, q, r, opposite)]
    one = Grid(id="one", name="1", zone="z", polygon=(p100, q100, r100))
    two = Grid(id="two", name="2", zone="z", polygon=(q100, p100, s100))
    lat = p[0] * (100 - part) + q[0] * part
    lon = p[1] * (100 - part) + q[1] * part
    assert len([g for g in (one, two) if grid_at(site(g=g), lat, lon)]) == 1


def test_a_concave_grid_does_not_hold_its_bay():
    corners = ((0, 0), (0, 3000), (3000, 3000), (3000, 2000), (1000, 2000), (1000, 1000),
               (3000, 1000), (3000, 0))  # fmt: skip
    bay = site(u=Grid(id="u", name="u", zone="z", polygon=corners))
    assert grid_at(bay, 500, 1500) == "u"
    assert grid_at(bay, 2000, 1500) is None
    assert grid_at(bay, 2000, 500) == "u"


def test_a_grid_without_a_polygon_holds_nothing():
    assert grid_at(site(n=Grid(id="n", name="n", zone="z")), LAT, LON) is None
    assert grids_near(site(n=Grid(id="n", name="n", zone="z")), (LAT, LON), 1e6) == ()


def test_near_a_border_both_grids_are_offered_nearest_first():
    near = (LAT + 1000, LON + 1900)  # about 10 m west of the border of b
    assert grids_near(ROW, near, 100) == ("a", "b")
    assert grids_near(ROW, near, 5) == ("a",)
    beside = (LAT + 1000, LON - 500)  # about 49 m west of a, in no grid
    assert grids_near(ROW, beside, 100) == ("a",)
    assert grids_near(ROW, beside, 40) == ()


def test_near_a_corner_all_grids_around_it_are_offered():
    assert set(grids_near(ROW, (LAT + 2100, LON + 4100), 30)) == {"c", "d", "b"}


def test_rings_are_steps_over_neighbours():
    assert ring(ROW, "a", 0) == ("a",)
    assert ring(ROW, "a", 1) == ("b",)
    assert ring(ROW, "a", 2) == ("c",)
    assert ring(ROW, "b", 1) == ("a", "c")
    assert ring(ROW, "a", 3) == ("d",)
    assert ring(ROW, "a", 4) == ()


def metres(one, two):
    north = (two[0] - one[0]) * 0.111195
    east = (two[1] - one[1]) * 0.111195 * math.cos(math.radians(one[0] / 1e6))
    return math.hypot(north, east)


@pytest.mark.parametrize(
    ("town", "lat", "lon", "shift_m"),
    [
        ("Zhongwei", 37.514, 105.197, 339),
        ("Ebian", 29.230, 103.262, 379),
        ("Jinhua", 29.079, 119.647, 567),
        ("Zezhou", 35.617, 112.899, 554),
        ("Beijing", 39.9042, 116.4074, 556),
    ],
)
def test_the_shift_at_the_towns_is_the_published_one(town, lat, lon, shift_m):
    wgs = Position(lat_udeg=round(lat * 1e6), lon_udeg=round(lon * 1e6), datum=Datum.WGS_84)
    gcj = site_point(wgs, Datum.GCJ_02)
    assert metres((wgs.lat_udeg, wgs.lon_udeg), gcj) == pytest.approx(shift_m, abs=4)


@pytest.mark.parametrize(
    ("wgs", "gcj"),
    [
        ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
        ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
        ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ],
)
def test_pairs_of_the_public_test_set(wgs, gcj):
    from_wgs, from_gcj = (
        Position(lat_udeg=round(lat * 1e6), lon_udeg=round(lon * 1e6), datum=datum)
        for (lat, lon), datum in ((wgs, Datum.WGS_84), (gcj, Datum.GCJ_02))
    )
    assert site_point(from_wgs, Datum.GCJ_02) == pytest.approx(
        (from_gcj.lat_udeg, from_gcj.lon_udeg), abs=1, rel=0
    )
    assert site_point(from_gcj, Datum.WGS_84) == pytest.approx(
        (from_wgs.lat_udeg, from_wgs.lon_udeg), abs=1, rel=0
    )


@given(lat=st.integers(1_000_000, 55_000_000), lon=st.integers(73_000_000, 137_000_000))
def test_there_and_back_is_within_a_metre(lat, lon):
    there = site_point(Position(lat_udeg=lat, lon_udeg=lon, datum=Datum.WGS_84), Datum.GCJ_02)
    assume(in_china(there[0] / 1e6, there[1] / 1e6))
    back = site_point(
        Position(lat_udeg=there[0], lon_udeg=there[1], datum=Datum.GCJ_02), Datum.WGS_84
    )
    assert metres((lat, lon), back) < 1


@given(lat=st.integers(-90_000_000, 90_000_000), lon=st.integers(-180_000_000, 180_000_000))
def test_any_point_has_an_answer_and_abroad_nothing_moves(lat, lon):
    for source, target in ((Datum.WGS_84, Datum.GCJ_02), (Datum.GCJ_02, Datum.WGS_84)):
        moved = site_point(Position(lat_udeg=lat, lon_udeg=lon, datum=source), target)
        if not in_china(lat / 1e6, lon / 1e6):
            assert moved == (lat, lon)
        assert abs(moved[0] - lat) < 20_000
        assert abs(moved[1] - lon) < 20_000


def test_the_same_datum_moves_nothing():
    here = Position(lat_udeg=LAT, lon_udeg=LON, datum=Datum.GCJ_02)
    assert site_point(here, Datum.GCJ_02) == (LAT, LON)


def test_the_wrong_datum_would_have_named_the_wrong_grid():
    gps = Position(lat_udeg=LAT + 1000, lon_udeg=LON + 3000, datum=Datum.WGS_84)
    moved = site_point(gps, Datum.GCJ_02)
    assert grid_at(ROW, gps.lat_udeg, gps.lon_udeg) == "b"
    assert grid_at(ROW, *moved) != "b"
