"""What machine this is, what it can do, and what a run will need."""
