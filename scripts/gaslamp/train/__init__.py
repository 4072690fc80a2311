"""Training: methods, backends, rewards, engines."""
