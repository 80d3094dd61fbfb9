"""A request as WSGI's environ. Runs in the pytest process."""

from urllib.parse import unquote_to_bytes

import httpx2

LATIN = "latin-1"  # PEP 3333: strings in environ are bytes decoded as latin-1
PORTS = {"http": 80, "https": 443}


def raw_path(request: httpx2.Request) -> str:
    """The path and query as they were sent."""
    return request.url.raw_path.decode(LATIN)


def make_environ(request: httpx2.Request) -> dict[str, str]:
    """The part of WSGI's environ that comes from the request, as gunicorn would fill it."""
    path, _, query = raw_path(request).partition("?")
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode(LATIN),
        "QUERY_STRING": query,
        "RAW_URI": raw_path(request),
        "SERVER_NAME": request.url.host,
        "SERVER_PORT": str(request.url.port or PORTS[request.url.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "pytest-cowmem",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": request.url.scheme,
    }
    for raw_name, raw_value in request.headers.raw:
        name, value = raw_name.decode(LATIN).upper().replace("-", "_"), raw_value.decode(LATIN)
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
