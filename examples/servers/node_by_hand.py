"""How much longer a request takes servers of node with more rounds, asked in another way than `passport compare`.

One client on the processor of all servers asks each in turns of 20 requests. Printed is the median of the
differences to the first server, in microseconds. The last server has no more rounds, so it shows the noise.
"""

import os
import random
import socket
import statistics
import subprocess
import time

ADDED = (0, 10, 21, 0)
WARM_UP, TURNS, REQUESTS, COLD = 20_000, 600, 20, 4
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'{"done":true}'


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(connection):
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(BODY):
        answer += connection.recv(65_536)


def turn(connection):
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter_ns()
        ask(connection)
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times[COLD:])


os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node.mjs")
ports = [free_port() for _ in ADDED]
servers = [subprocess.Popen(["node", script, str(port), "1000", str(added)]) for port, added in zip(ports, ADDED)]
try:
    time.sleep(1)
    connections = [socket.create_connection(("127.0.0.1", port)) for port in ports]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(WARM_UP):
        for connection in connections:
            ask(connection)
    turns = [[] for _ in ADDED]
    for _ in range(TURNS):
        for index in random.sample(range(len(ADDED)), len(ADDED)):
            turns[index].append(turn(connections[index]))
finally:
    for server in servers:
        server.kill()
for added, times in zip(ADDED, turns):
    longer = statistics.median(time - first for time, first in zip(times, turns[0]))
    print(f"{added} % more rounds: {longer / 1000:+.2f} us")
