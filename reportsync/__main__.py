"""Let `python -m reportsync` do what the `reportsync` command does."""

from reportsync.cli import main

if __name__ == "__main__":
    main()
