"""The chat with the served model: the page in the browser, and the terminal."""
