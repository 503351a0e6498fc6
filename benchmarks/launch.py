"""Run a command some times and print what it took, as one JSON object; imports next to nothing.

A process of its own, because the peak of a child counts from before its exec: the launcher's few MiB
are the least that can be measured, and not those of whoever builds archives.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run the command line: TIMES LOG COMMAND..."""
    times, log, *command = sys.argv[1:]
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    redirect = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
    began, cpu, peak, code = time.monotonic(), 0.0, 0, 0
    for _ in range(int(times)):
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=redirect)
        _, status, used = os.wait4(child, 0)
        cpu += used.ru_utime + used.ru_stime
        peak = max(peak, used.ru_maxrss)
        code = code or os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    told = {"seconds": took / int(times), "cpu": cpu / int(times), "peak": peak, "code": code}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
