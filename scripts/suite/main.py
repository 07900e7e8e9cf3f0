"""Starts cj-suite; Ctrl-C ends it without a traceback while Python still loads, and while it ends."""

import os
import signal


def main() -> None:
    """Run the command line, with the settings in .env of this folder; the environment comes before them."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    from dotenv import load_dotenv

    load_dotenv(".env")
    from suite.cli import app

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the exit code is decided


if __name__ == "__main__":
    main()
