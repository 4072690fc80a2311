"""Backends: where and with what a model is trained. One file is one plug-in, found by its name.

``gaslamp.train.protocols.Backend`` documents what a file declares. The top of each imports the standard library and
gaslamp only: the preflight and every training interpreter read it.
"""
