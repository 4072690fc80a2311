"""Training on a machine that is not this one: what is sent, run and brought home."""
