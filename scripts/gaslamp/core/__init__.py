"""Shared basics that know no phase: errors, files, console, events, contracts, registry."""
