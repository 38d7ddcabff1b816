"""A server of CPython, a thread for each connection. Arguments: port, and per cent of work added."""

import socketserver
import sys

PORT, ADDED = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
ROUNDS = 12_000 * (100 + ADDED) // 100
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n"


def work():
    total = 0
    for number in range(ROUNDS):
        total += number & 7
    return total


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while line := self.rfile.readline():
            # The end of a head; there are no bodies.
            if line == b"\r\n":
                assert work() > 0
                self.wfile.write(HEAD + b'{"done":true}')


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


Server(("127.0.0.1", PORT), Handler).serve_forever()
