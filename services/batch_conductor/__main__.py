"""Starts the service: ``python -m batch_conductor``."""

from service_kit.starting import start

if __name__ == "__main__":
    start("batch_conductor.main")
