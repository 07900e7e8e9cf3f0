"""Starts the service: ``python -m llm_provider.main``."""

from service_kit.starting import start

if __name__ == "__main__":
    start("llm_provider.assembly")
