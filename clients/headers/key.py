"""A WebSocket's key (RFC 6455, section 4.1): 16 random bytes, in base64."""

import base64
import os


def key() -> str:
    return base64.b64encode(os.urandom(16)).decode()
