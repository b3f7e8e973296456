"""The `gridcall` command."""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    if not __debug__:
        sys.stderr.write("gridcall does not run under python -O: its assertions are checks\n")
        raise SystemExit(2)
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "run" and Path(arguments[1]).is_file():
        from gateway.start import run  # and nothing else: see there

        raise SystemExit(run(Path(arguments[1])))
    from gateway.cli import app  # a second's imports, of which run needs none

    app()


if __name__ == "__main__":
    main()
