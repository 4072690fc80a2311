"""Screens of a run: web page and terminal. They read files and nothing else; no training process knows of them."""
