"""``python -m gaslamp``."""

from gaslamp.interfaces.command import run

if __name__ == "__main__":
    run()
