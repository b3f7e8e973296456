"""`make soak`: whole simulated days on many seeds, on every processor; exit 1 on a violation.

`make soak ARGS=--month` plays the county of `gridcall simulate` for 30 days a seed instead: some
45 s of a processor each, an hour and a quarter for 200 on two.
"""

import argparse
import gc
import logging
import multiprocessing
import os
import sys
from functools import partial
from typing import Any

import structlog

from gateway.simulate import Plan, simulate

DAY = {
    "guards": 48, "grids": 6, "channels": 3, "hours": 24, "alerts_per_day": 60, "storms": 2,
    "storm_alerts": 60,
}  # fmt: skip
MONTH = {"hours": 720}
# A process keeps much of what a month of the county took; after so many it makes way.
SEEDS_A_PROCESS = 4


def one(county: dict[str, Any], seed: int) -> tuple[int, list[str]]:
    """Return a seed and what was found against it."""
    gc.collect()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = simulate(Plan(seed=seed, **county)).findings
    return seed, [v for finding in found for v in finding["violations"]]


def main() -> int:
    """Simulate all seeds; print each violation with the command that shows it again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", type=int, default=1, dest="first")
    parser.add_argument("--month", action="store_true", help="30 days of the whole county each")
    options = parser.parse_args()
    county = MONTH if options.month else DAY
    again = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in county.items())
    seeds = range(options.first, options.first + options.seeds)
    bad = 0
    fork = multiprocessing.get_context("fork")
    with fork.Pool(os.cpu_count(), maxtasksperchild=SEEDS_A_PROCESS) as pool:
        for seed, violations in pool.imap_unordered(partial(one, county), seeds):
            if violations:
                bad += 1
                print(f"seed {seed}: gridcall simulate {again} --seed {seed}", flush=True)
                print(*violations[:10], sep="\n", flush=True)
    print(f"{options.seeds} seeds, {bad} with violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
