"""`make soak`: whole simulated days on many seeds, on every processor; exit 1 on a violation."""

import argparse
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import structlog

from gateway.simulate import Plan, simulate

COUNTY = {
    "guards": 48, "grids": 6, "channels": 3, "hours": 24, "alerts_per_day": 60, "storms": 2,
    "storm_alerts": 60,
}  # fmt: skip
AGAIN = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in COUNTY.items())


def one(seed: int) -> tuple[int, list[str]]:
    """Return a seed and what was found against it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = simulate(Plan(seed=seed, **COUNTY)).findings
    return seed, [v for finding in found for v in finding["violations"]]


def main() -> int:
    """Simulate all seeds; print each violation with the command that shows it again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", type=int, default=1, dest="first")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    bad = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, violations in pool.map(one, seeds):
            if violations:
                bad += 1
                print(f"seed {seed}: gridcall simulate {AGAIN} --seed {seed}", flush=True)
                print(*violations[:10], sep="\n", flush=True)
    print(f"{options.seeds} seeds, {bad} with violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
