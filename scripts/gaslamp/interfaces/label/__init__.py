"""The page of `make review` and `make label`, on 127.0.0.1."""
