"""Where the services are unless a command is told otherwise: on this machine, at the ports of their settings."""

from typing import Final

ASSESSMENT_URL: Final = "http://127.0.0.1:8101"
PROVIDER_URL: Final = "http://127.0.0.1:8102"
