"""One file for each part of config.yaml, named after the room that reads it."""
