"""`python -m simulators.checkers RESOLVED LOGS EXPORT`: do the witnesses bear the journal out?

RESOLVED is what ``gridcall check --resolved`` prints, LOGS the folder that ``python -m
simulators`` wrote, EXPORT what ``gridcall journal export --personal`` wrote. One line a check,
and one a violation. Exit status: 0 all agrees, 1 it does not, 2 something cannot be read.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from simulators.checkers import Finding, Journal, judge, read


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m simulators.checkers", description=about)
    parser.add_argument("resolved", type=Path, help="resolved settings, JSON")
    parser.add_argument("logs", type=Path, help="folder of the outside's logs")
    parser.add_argument("export", type=Path, help="exported journal, JSON lines")
    parser.add_argument("--json", action="store_true", help="one JSON object a check")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Judge, print the verdict and return the exit status."""
    options = _arguments(argv)
    try:
        site = json.loads(options.resolved.read_text("utf-8"))
        findings = judge(read(options.logs, site), Journal.read(options.export))
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"cannot judge: {type(error).__name__}: {error}\n")
        return 2
    for finding in findings:
        sys.stdout.write(_text(finding, as_json=options.json))
    return 1 if any(finding.violations for finding in findings) else 0


def _text(finding: Finding, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(asdict(finding), ensure_ascii=False) + "\n"
    mark = "✗" if finding.violations else "✓" if finding.compared else "–"
    return "\n".join([f"{mark} {finding}", *(str(v) for v in finding.violations)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
