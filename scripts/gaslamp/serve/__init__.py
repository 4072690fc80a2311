"""The served model: started and stopped by `make deploy` and `make stop`, with a chat page and a terminal chat."""
