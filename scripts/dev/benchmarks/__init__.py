"""Benchmarks: each figure against a baseline in the same run."""
