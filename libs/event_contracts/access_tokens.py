"""What a bearer token, and a secret that signs one, must keep to: on both sides, who sends it and who checks it."""

from typing import Final

MAX_TOKEN_CHARACTERS: Final = 8_192
MIN_SECRET_BYTES: Final = 32
