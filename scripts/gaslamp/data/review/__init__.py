"""Rows on a page where a person looks at them: generated ones to keep or drop, any to write or correct."""
