"""Starts the service: ``python -m cj_assessment.main``."""

from service_kit.starting import start

if __name__ == "__main__":
    start("cj_assessment.assembly")
