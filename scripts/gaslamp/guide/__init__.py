"""The interview: two answers, a look at the data and at the machine become a plan with a reason for each line.

Standard library, rich and PyYAML alone (what cookiecutter itself brings): it runs before anything is installed.
"""
