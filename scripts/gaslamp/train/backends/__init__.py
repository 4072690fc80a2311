"""Backends: where and with what a model is trained. One file is one plug-in, found by its name.

Declared at the top of each, standard library only (the preflight and any training interpreter read it):
BUILT, REASON (why not, when not), EXTRA (of pyproject.toml), REQUIRES (packages to import), METHODS, and
find_machine_problems(system) -> [(what this machine lacks, what to use instead)].
"""
