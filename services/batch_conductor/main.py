"""Starts the service: ``python -m batch_conductor.main``."""

from service_kit.starting import start

if __name__ == "__main__":
    start("batch_conductor.assembly")
