# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Requests that a browser sends because another site's page tells it to: a server of this machine is within such a page's reach."""

from collections.abc import Mapping
from urllib.parse import urlsplit


LOOPBACK = ("127.0.0.1", "localhost", "::1")


def comes_from_other_host(headers: Mapping[str, str]) -> bool:
    """
    Whether a request to a server that listens to this machine alone asks for another host: that one leads its name to this machine (DNS
    rebinding), with which a page of it may read the answers.
    """
    return _host_name(headers.get("host", "")) not in LOOPBACK


def comes_from_other_page(headers: Mapping[str, str]) -> bool:
    """Whether a page of another origin makes the request. Clients that are no browsers do not say an origin."""
    origin = headers.get("origin")
    return origin is not None and _location(origin) != headers.get("host")


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _location(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
