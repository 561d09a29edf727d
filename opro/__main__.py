"""The way into `opro`, also as `python -m opro`. What takes long to import is imported where Ctrl-C is expected."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is being loaded ends it without a word."""
    try:
        from opro.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
