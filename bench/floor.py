"""The floor of `bench/ingest.py`: the service's own HTTP server, reading bodies and answering."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

from fencepost.web.server import Binding, server_for


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, say 202."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


async def serve(tls: Path) -> None:
    binding = Binding(
        host="127.0.0.1",
        port=0,
        certificate=tls / "server.pem",
        key=tls / "server.key",
        head_seconds=30,
        keep_alive_seconds=60,
        connections=1000,
    )
    server = server_for(answer, binding)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
