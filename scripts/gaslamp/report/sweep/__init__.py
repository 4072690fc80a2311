"""The pages of a sweep: terminal table and leaderboard."""
