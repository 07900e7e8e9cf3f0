"""The certificates that outgoing connections trust."""

import functools
import ssl

import httpx2


@functools.cache
def trusted_certificates() -> ssl.SSLContext:
    """The usual authorities, or those that SSL_CERT_FILE names; read once, as reading them takes a while."""
    return httpx2.create_ssl_context()
