"""The fault campaign: what a run survives, tried at random places with a seed (make faults)."""
