"""Starts cj-admin; Ctrl-C ends it without a traceback while Python still loads, and while it ends."""

import os
import signal


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    from admin_cli.cli import app

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the exit code is decided


if __name__ == "__main__":
    main()
