"""How fast, next to what: `python -m benchmarks` measures reportsync beside other ways to do the same."""
