# SPDX-License-Identifier: GPL-2.0-only
"""The outer machine that runs L0: Bochs, a fork of a Bochs, or with RIG=kvm a QEMU on /dev/kvm."""

import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path

import bochs
import kernel
from common import HERE, CannotRun
from images import Images

MEMORY = 2048  # MiB; of more than that Bochs would keep a part in a file, which forks would share
# Whoever waits for an RCU grace period waits for ticks, which are many instructions apart.
L0_APPEND = "console=ttyS0,115200 quiet tsc=reliable no_timer_check panic=0 rcupdate.rcu_expedited=1 initcall_blacklist=trace_eval_init"
# Bochs 2.7's XSAVEOPT loses registers, and its RDRAND is seeded with the time of day. For
# it each byte of REP MOVSB is an instruction; a kernel without "erms" copies by eight. With SMAP it walks
# the page tables at each access of a kernel to memory of its user.
BOCHS_APPEND = "clearcpuid=xsave,ht,rdrand,rdseed,erms,fsrm,smap"
# Of Debian's Bochs: the devices that are plug-ins, and the only display that needs no screen, which takes
# the first free port from 5900 on
PLUGINS = "unmapped=1, biosdev=1, serial=1, speaker=0, extfpuirq=0, parallel=0, gameport=0, iodebug=0"
RFB = 'rfb, options="timeout=0"'
TEMPLATE_SECONDS = 10  # until forkserver.c answers


class Ended(Exception):
    """The machine has stopped and will print nothing more."""


class Machine:
    """A running outer machine. Use it as a context manager: leaving it ends the machine."""

    start = "cold"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kernel_log = directory / "l0-kernel.log"
        self._output = -1
        self._pid = 0
        self._pending = b""
        self._control: socket.socket | None = None
        self._control_lock = threading.Lock()

    def __enter__(self) -> "Machine":
        return self

    def stop(self) -> None:
        """End the machine; it may have ended already."""
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._control:
            self._control.close()

    def read_line(self, seconds: float) -> str | None:
        """The next line that L0 or L1 printed; None when there is none for so long."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._output], [], [], left)[0]:
                return None
            data = os.read(self._output, 65536)
            if not data:
                raise Ended
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        return line.decode(errors="replace").replace("\r", "")

    def kernel_lines(self) -> list[str]:
        """What L0's kernel printed on its own console."""
        if not self.kernel_log.exists():
            return []
        return self.kernel_log.read_text(errors="replace").splitlines()

    def panicked(self) -> bool:
        return any("Kernel panic" in line for line in self.kernel_lines())

    def stands_still(self) -> bool:
        """True when the machine itself, not what it runs, makes no progress."""
        before = self.cpu_seconds()
        time.sleep(2)
        return self.cpu_seconds() == before

    def cpu_seconds(self) -> float:
        """What it has taken of the host's CPU, in steps of a hundredth; 0 when it is gone."""
        try:
            fields = Path(f"/proc/{self._pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_template(self) -> bool:
        """To ask when the guest has said "@fork": whether fork() is possible now."""
        if not self._control:
            return False
        self._control.settimeout(TEMPLATE_SECONDS)
        try:
            return self._control.recv(16) == b"ready"
        except TimeoutError:
            return False

    def fork(self, directory: Path, order: str) -> "Fork":
        """Start a copy of this template, which finds the order at its serial port."""
        assert self._control
        directory.mkdir()
        child = Fork(directory)
        read_end, write_end = os.pipe()
        child._output = read_end
        child._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child._orders, orders = socket.socketpair()
        child._orders.sendall(f"{order}\n".encode())
        with control, orders, child.kernel_log.open("wb") as log, self._control_lock:
            files = [write_end, log.fileno(), orders.fileno(), control.fileno()]
            try:
                socket.send_fds(self._control, [b"fork"], files)
                child._pid = int(self._control.recv(16) or 0)
            except OSError:
                child._pid = 0
            os.close(write_end)
        if not child._pid:
            raise Ended
        return child


class Fork(Machine):
    """A copy of a template, with files of its own. forkserver.c is the other side."""

    start = "quick"
    _orders: socket.socket

    def stop(self) -> None:
        if self._output < 0:
            return
        # A pipe without a writer tells that the process is gone, and its number perhaps another's.
        poll = select.poll()
        poll.register(self._output, 0)
        if not any(event & select.POLLHUP for _, event in poll.poll(0)):
            try:
                os.kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.close(self._output)
        self._output = -1
        self._orders.close()


class Process(Machine):
    """An outer machine that boots."""

    cpu_model = "host"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        directory.mkdir()
        # Orders travel over a terminal, which both emulators can open by name.
        self._orders, self._far_end = pty.openpty()
        tty.setraw(self._far_end)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, images: Images, orders: str) -> list[str]:
        """Prepare what the machine needs in its directory and return how to start it."""
        raise NotImplementedError

    def boot(self, images: Images, forkserver: Path | None = None) -> None:
        """Start the machine; with the fork server it can become a template."""
        orders = os.ttyname(self._far_end)
        command = self.command(images, orders)
        environment, control = dict(os.environ), None
        if forkserver:
            self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            environment |= {
                "LD_PRELOAD": str(forkserver),
                "RIG_CONTROL": str(control.fileno()),
                "RIG_COM1": str(self.kernel_log),
                "RIG_COM2": orders,
            }
        with (self.directory / "emulator.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=[control.fileno()] if control else [],
                start_new_session=True,
            )
        if control:
            control.close()
        assert self._process.stdout
        self._output, self._pid = self._process.stdout.fileno(), self._process.pid

    def order(self, words: str) -> None:
        os.write(self._orders, f"{words}\n".encode())

    def stop(self) -> None:
        if self._process:
            try:
                # The forks, too
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._process:
            self._process.wait()
        os.close(self._orders)
        os.close(self._far_end)


class Bochs(Process):
    """The emulated machine of bochsrc.in."""

    cpu_model = bochs.MODEL

    @staticmethod
    def version() -> str:
        return f"bochs {bochs.find().version}"

    def command(self, images: Images, orders: str) -> list[str]:
        emulator = bochs.find()
        settings = {
            "MODEL": bochs.MODEL,
            "MEMORY": MEMORY,
            "CD": images.cd(f"{L0_APPEND} {BOCHS_APPEND}"),
            "DIR": self.directory,
            "ORDERS": orders,
            "PLUGINS": "" if emulator.built else f"plugin_ctrl: {PLUGINS}",
            "DISPLAY": "nogui" if emulator.built else RFB,
        }
        config = (HERE / "bochsrc.in").read_text()
        for key, value in settings.items():
            config = config.replace(f"@{key}@", str(value))
        (self.directory / "bochsrc").write_text(config)
        command = [emulator.program, "-q", "-f", "bochsrc"]
        if not emulator.built:
            # Debian's Bochs starts in its debugger: tell that to continue.
            (self.directory / "debugger.rc").write_text("c\n")
            command += ["-rc", "debugger.rc"]
        return command


class Kvm(Process):
    """QEMU on /dev/kvm with VMX: real hardware runs L0."""

    @staticmethod
    def version() -> str:
        return "kvm"

    def command(self, images: Images, orders: str) -> list[str]:
        usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
        if not usable or " vmx " not in Path("/proc/cpuinfo").read_text():
            raise CannotRun("RIG=kvm needs /dev/kvm and a CPU with VMX; leave RIG away to use the emulator")
        return (
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
            + ["-M", "pc,accel=kvm", "-cpu", "host,+vmx", "-m", str(MEMORY)]
            + ["-kernel", str(kernel.bzimage()), "-initrd", str(images.initrd), "-append", L0_APPEND]
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


def can_fork() -> bool:
    return outer_machine() is Bochs and os.environ.get("RIG_COLD", "") in ("", "0")
