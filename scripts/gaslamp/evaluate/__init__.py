"""Ask models the same questions, score the answers, say what the difference is worth."""
