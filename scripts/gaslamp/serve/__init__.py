"""Serving and chat."""
