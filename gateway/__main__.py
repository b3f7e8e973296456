"""The `gridcall` command."""

import sys

from gateway.cli import app


def main() -> None:
    """Run the command line."""
    if not __debug__:
        sys.stderr.write("gridcall does not run under python -O: its assertions are checks\n")
        raise SystemExit(2)
    app()


if __name__ == "__main__":
    main()
