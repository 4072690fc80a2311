"""Screens of a run: web page and terminal. They only read files; the training process does not depend on them."""
