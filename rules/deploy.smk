# Phase 6.5: everything of a run, then the chat. Serving is no file, so `make deploy` does it after this (scripts/serve_model.py).
