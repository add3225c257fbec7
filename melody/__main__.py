"""`python -m melody` is the `melody` command."""

from melody.cli import run

if __name__ == "__main__":
    run()
