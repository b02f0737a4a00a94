"""How the three HTTP clients use httpx: one client object, so one connection, for as long as they receive."""

import httpx


def connection(url: str, silence_s: float) -> httpx.AsyncClient:
    """A client for `url` that treats a connection as lost after `silence_s` seconds without a byte.

    By default httpx drops idle connections after 5 s; a slow poller would then reconnect for every request.
    """
    return httpx.AsyncClient(
        base_url=url,
        timeout=httpx.Timeout(10, read=silence_s),
        limits=httpx.Limits(keepalive_expiry=None),
        trust_env=False,  # no proxy between us and what is measured
    )


def refused(response: httpx.Response) -> None:
    """Raises ValueError with the server's own words if the status is not 200; a 5xx counts as a lost connection."""
    if response.is_server_error:
        raise httpx.RemoteProtocolError(f"{response.status_code}: {response.text[:300]}")
    if response.status_code != 200:
        raise ValueError(f"{response.status_code}: {response.text[:300]}")


def after_param(cursor: str | None) -> dict[str, str]:
    """The query parameters that say where a reader is; none at all for "from now on"."""
    return {} if cursor is None else {"after": cursor}
