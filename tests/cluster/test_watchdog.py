"""What systemd hears of a node (sd_notify): that it is there, that its loop turns, that it leaves."""

import signal
import socket

from warmcluster import until


def test_systemd_hears_that_the_loop_turns(make_cluster, tmp_path):
    said = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(str(tmp_path / "notify"))
        service.setblocking(False)

        def heard(word, times=1):
            try:
                while True:
                    said.extend(service.recv(4096).decode().split("\n"))
            except BlockingIOError:
                pass
            return said.count(word) >= times

        cluster = make_cluster(api=1, delivery=0, start=False,
                               env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"})
        node = cluster.node("api-1")
        node.start()
        until("READY=1", 5, lambda: heard("READY=1"))
        until("the loop turns", 5, lambda: heard("WATCHDOG=1", 10))
        node.signal(signal.SIGTERM)
        until("STOPPING=1", 5, lambda: heard("STOPPING=1"))
        # What is said must be read: who fills the socket waits.
        until("it has gone", 30, lambda: (heard(""), node.pid() is None)[1])
