"""What a worker gives up before it reads a query: memory without end, the network, and other programs.

pyoxigraph sends HTTP requests for SERVICE clauses, which are refused before; should one ever pass, the kernel refuses the socket. A filter
of the kernel (seccomp) does it, because it needs no privilege, no new container and cannot be undone. Must not: be called in the sidecar.
"""

import ctypes
import os
import platform
import resource
import struct
from pathlib import Path
from typing import Final

__all__ = ["give_up_privileges", "limit_memory"]

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2

# Classic BPF, as linux/filter.h and linux/seccomp.h have it: load a word, jump if equal or greater, return.
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_GREATER_EQUAL: Final = 0x35
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO_EPERM: Final = 0x00050001
_KILL: Final = 0x80000000
_NUMBER_OFFSET: Final = 0
_ARCHITECTURE_OFFSET: Final = 4
_X32_BIT: Final = 0x40000000

# Architecture → (its audit number, system calls): socket, connect, io_uring_setup (which could do both), execve, execveat.
_REFUSED: Final = {
    "x86_64": (0xC000003E, (41, 42, 425, 59, 322)),
    "aarch64": (0xC00000B7, (198, 203, 425, 221, 281)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def limit_memory(size_bytes: int) -> None:
    """Let the process have this much more memory of its own than it has now; files that are mapped do not count.

    What it has now differs from machine to machine: the library starts a thread for each core, and the kernel counts their stacks whole.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * resource.getpagesize() + size_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    # Who meets the limit is aborted, and would leave the queries of others in a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def give_up_privileges() -> None:
    """Refuse this process, for ever, new sockets and other programs.

    Raises: OSError if the kernel has no such filter, or the machine is of an architecture whose system calls are not listed here.
    """
    if platform.machine() not in _REFUSED:
        raise OSError(f"no filter is known for machines of type {platform.machine()}")
    code = _compile(*_REFUSED[platform.machine()])
    buffer = ctypes.create_string_buffer(code)
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"the kernel refuses the filter: {os.strerror(error)}")


def _compile(architecture: int, refused: tuple[int, ...]) -> bytes:
    """Return the filter: another architecture's calls kill, those listed fail with EPERM, all others pass."""
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        # The same kernel answers a second numbering (x32), which the list would not match.
        (_JUMP_GREATER_EQUAL, len(refused) + 1, 0, _X32_BIT),
        *((_JUMP_EQUAL, len(refused) - index, 0, number) for index, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO_EPERM),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
