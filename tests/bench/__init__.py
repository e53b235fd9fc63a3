"""Benchmarks, not tests: `make bench` prints them with the machine named. Compare ratios within one run."""
