"""Other ways in than the command line: each calls what the commands call and holds no logic of its own."""
