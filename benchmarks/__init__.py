"""Measure speed, memory and accuracy, as ratios of figures from one run: `python -m benchmarks`."""
