"""Findings from the answers of an evaluation, one file each: ``evaluate/diagnose.py`` says what a file has."""
