"""Rows that a language model writes: requests, replies, judge, limits, and the choice of a person."""
