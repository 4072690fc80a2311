"""Findings from the metrics of a training, one file each: ``train/diagnose.py`` says what a file has."""
