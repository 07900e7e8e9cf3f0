"""Starts the service: ``python -m cj_assessment``."""

from service_kit.starting import start

if __name__ == "__main__":
    start("cj_assessment.main")
