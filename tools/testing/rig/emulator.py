# SPDX-License-Identifier: GPL-2.0-only
"""The outer machine that runs L0: Bochs, or with RIG=kvm a QEMU on /dev/kvm."""

import os
import pty
import select
import signal
import subprocess
import time
import tty
from pathlib import Path

import images
import kernel
from common import HERE, CannotRun, output_of

L0_APPEND = "console=ttyS0,115200 quiet tsc=reliable no_timer_check panic=0"
# Bochs 2.7's XSAVEOPT loses registers, and its RDRAND is seeded with the time of day.
BOCHS_APPEND = "clearcpuid=xsave,ht,rdrand,rdseed"


class Ended(Exception):
    """The outer machine has stopped and will print nothing more."""


class Machine:
    """A running outer machine. Use it as a context manager: leaving it ends the machine."""

    cpu_model = "host"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kernel_log = directory / "l0-kernel.log"
        self._pending = b""
        # Orders travel over a terminal, which both outer machines can open by name.
        self._orders, self._far_end = pty.openpty()
        tty.setraw(self._far_end)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, initrd: Path, memory: int, orders: str) -> list[str]:
        """Prepare what the machine needs in its directory and return how to start it."""
        raise NotImplementedError

    def start(self, initrd: Path, memory: int) -> None:
        command = self.command(initrd, memory, os.ttyname(self._far_end))
        with (self.directory / "emulator.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    def __enter__(self) -> "Machine":
        return self

    def stop(self) -> None:
        if self._process:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._process:
            self._process.wait()
        os.close(self._orders)
        os.close(self._far_end)
        (self.directory / "boot.iso").unlink(missing_ok=True)
        (self.directory / "initrd").unlink(missing_ok=True)

    def read_line(self, seconds: float) -> str | None:
        """The next line that L0 or L1 printed; None when there is none for so long."""
        assert self._process and self._process.stdout
        deadline = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise Ended
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        return line.decode(errors="replace").replace("\r", "")

    def order(self, word: str) -> None:
        """Tell L0's init something."""
        os.write(self._orders, f"{word}\n".encode())

    def kernel_lines(self) -> list[str]:
        """What L0's kernel printed on its own console."""
        if not self.kernel_log.exists():
            return []
        return self.kernel_log.read_text(errors="replace").splitlines()

    def panicked(self) -> bool:
        return any("Kernel panic" in line for line in self.kernel_lines())

    def stands_still(self) -> bool:
        """True when the machine itself, not what it runs, makes no progress."""
        before = self._cpu_ticks()
        time.sleep(2)
        return self._cpu_ticks() == before

    def _cpu_ticks(self) -> int:
        assert self._process
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            return 0
        return int(fields[11]) + int(fields[12])


class Bochs(Machine):
    """The emulated machine of bochsrc.in."""

    cpu_model = "corei7_icelake_u"

    @staticmethod
    def version() -> str:
        return "bochs " + output_of(["dpkg-query", "-f", "${Version}", "-W", "bochs"])

    def command(self, initrd: Path, memory: int, orders: str) -> list[str]:
        images.make_cd(self.directory, initrd, f"{L0_APPEND} {BOCHS_APPEND}")
        config = (HERE / "bochsrc.in").read_text()
        for key, value in (("@MEMORY@", memory), ("@DIR@", self.directory), ("@ORDERS@", orders)):
            config = config.replace(key, str(value))
        (self.directory / "bochsrc").write_text(config)
        # Debian's Bochs starts in its debugger: tell that to continue.
        (self.directory / "debugger.rc").write_text("c\n")
        return ["bochs", "-q", "-f", "bochsrc", "-rc", "debugger.rc"]


class Kvm(Machine):
    """QEMU on /dev/kvm with VMX: real hardware runs L0."""

    @staticmethod
    def version() -> str:
        return "kvm"

    def command(self, initrd: Path, memory: int, orders: str) -> list[str]:
        usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
        if not usable or " vmx " not in Path("/proc/cpuinfo").read_text():
            raise CannotRun("RIG=kvm needs /dev/kvm and a CPU with VMX; leave RIG away to use the emulator")
        return (
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
            + ["-M", "pc,accel=kvm", "-cpu", "host,+vmx", "-m", str(memory)]
            + ["-kernel", str(kernel.bzimage()), "-initrd", str(initrd), "-append", L0_APPEND]
            + ["-serial", f"file:{self.kernel_log}", "-serial", orders]
            + ["-chardev", "stdio,id=out,signal=off", "-device", "isa-debugcon,iobase=0xe9,chardev=out"]
        )


def outer_machine() -> type[Bochs] | type[Kvm]:
    """The kind of outer machine that RIG names."""
    kinds: dict[str, type[Bochs] | type[Kvm]] = {"bochs": Bochs, "kvm": Kvm}
    wanted = os.environ.get("RIG", "bochs")
    if wanted not in kinds:
        raise CannotRun(f"RIG={wanted}: use one of {', '.join(kinds)}")
    return kinds[wanted]
