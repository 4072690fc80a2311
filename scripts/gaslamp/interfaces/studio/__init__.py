"""The web face (`make studio`): from a data file to a chat with the tuned model, without a terminal."""
