"""The name of a provider of models, as the manifest, the settings and the wire spell it."""

from typing import Annotated

from pydantic import StringConstraints

ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Lower case; which names there are, the manifest says: ``list_providers()``."""
