# SPDX-License-Identifier: GPL-2.0
"""How a test script on this machine reaches the guests: a unix socket.

One JSON object a connection each way; lib/on is the client.
"""

import json
import socketserver
import threading
from pathlib import Path
from typing import Callable, Dict


class Control:
    """Serves requests with `handler(request) -> reply` until closed."""

    def __init__(self, path: Path, handler: Callable[[Dict], Dict]):
        class Request(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                if not line:
                    return
                try:
                    reply = handler(json.loads(line))
                except Exception as e:  # pylint: disable=broad-except
                    reply = {"error": str(e)}
                try:
                    self.wfile.write(json.dumps(reply).encode() + b"\n")
                except OSError:
                    pass  # the test was ended meanwhile

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        path.unlink(missing_ok=True)
        self._server = Server(str(path), Request)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
