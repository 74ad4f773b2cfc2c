"""Viewers that stay: the program bench_viewers in its mode "hold"."""

import select
import subprocess

from bench_pairs import Failed

HELD_S = 60


def wait_held(process):
    """Returns once all are there."""
    ready, _, _ = select.select([process.stdout], [], [], HELD_S)
    if not ready or process.stdout.readline().strip() != "held":
        raise Failed(f"the viewers were not all there after {HELD_S} s: {process.args}")


def end(process):
    process.stdin.close()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
