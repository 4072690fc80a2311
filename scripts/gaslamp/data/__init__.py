"""From any file to train, valid and test rows that are known to be right."""
