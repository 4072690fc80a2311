"""Give models the same prompts, score the answers, and test whether the difference is more than chance."""
