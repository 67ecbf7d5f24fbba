"""``labnotes`` and ``python -m labnotes``: the command of :mod:`labnotes.cli`.

It has a module of its own because the imports take a second: an interrupt may come in them too.
"""

import sys


def main() -> int:
    """Run the command; returns the exit status."""
    try:
        from labnotes import cli

        return cli.main()
    except KeyboardInterrupt:
        print("labnotes: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
