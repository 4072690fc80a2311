"""What is remembered between projects: snapshot, hints, candidates, gate and the memory files."""
