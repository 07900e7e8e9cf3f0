"""Starts cj-run; Ctrl-C ends it without a traceback while Python still loads, and while it ends."""

import os
import signal


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    # Before numpy is loaded: to share out matrices this small costs more processor time than it saves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from batch_runner.cli import app

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the exit code is decided


if __name__ == "__main__":
    main()
