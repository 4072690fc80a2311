"""Pages and texts about a run: demo, dashboard, roadbook, report, summary."""
