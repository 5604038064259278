# SPDX-License-Identifier: GPL-2.0-only
"""The images of a run: L0's initramfs with everything that its L1s are made of."""

import io
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import kernel
from common import HERE, HVNEST, MODULES, RIG, SELFTESTS, TEST_MODULES, TOP, CannotRun, output_of, say
from cpio import Archive
from scenarios import Configuration, Kvm, Scenario

BUSYBOX = Path("/bin/busybox")
QEMU = Path("/usr/bin/qemu-system-x86_64")
# For L2: it starts much faster, but has no SynIC. Not every release of the package has it.
SMALL_QEMU = Path("/usr/bin/qemu-system-x86_64-microvm")
PERF = Path("/usr/bin/perf")
FIRMWARE = (Path("/usr/share/qemu/qboot.rom"), Path("/usr/share/qemu/pvh.bin"))
OUR_MODULES = ("kvm", "kvm-intel")
STRICT = RIG / "l0"  # the KVM of L0 that counts stale clean fields and knows faults

# A module's and a VM's way out is one grace period after the other: expedite them. Much of a boot would
# go into the names of constants in the formats of the kernel's own trace events.
L1_APPEND = (
    "console=ttyS0,115200 quiet tsc=reliable no_timer_check panic=-1 8250.nr_uarts=1"
    " rcupdate.rcu_expedited=1 initcall_blacklist=trace_eval_init"
)


def _need(path: Path, deps: str = "make deps") -> Path:
    if not path.exists():
        raise CannotRun(f"{path} is missing; run '{deps}'")
    return path


def _bare() -> Archive:
    """What each level starts from: the mount points."""
    archive = Archive()
    for name in ("proc", "sys", "dev", "tmp"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    return archive


def _applets() -> Sequence[str]:
    """Those of busybox that need a link: all, or as Debian builds it what runs before there is /proc."""
    alone = subprocess.run([_need(BUSYBOX), "sh", "-c", "echo / | xargs stat"], env={"PATH": "/nowhere"}, capture_output=True)
    return output_of([BUSYBOX, "--list"]).split() if alone.returncode else ("sh", "mount")


def _userland() -> Archive:
    """And busybox, which is among its applets."""
    archive = _bare()
    for applet in _applets():
        archive.symlink(f"bin/{applet}", "busybox")
    archive.file("bin/busybox", BUSYBOX)
    return archive


def _add_program(archive: Archive, program: Path) -> None:
    """A program of the host with every library that it loads."""
    archive.file(str(program), program)
    for library in re.findall(r"(/\S+) \(0x", output_of(["ldd", program])):
        archive.file(library, Path(library).resolve())


def _add_qemu(archive: Archive, linked: Path, program: Path = QEMU) -> None:
    """A QEMU, the library that has it wait for its arguments, and the firmware of its microvm."""
    _add_program(archive, _need(program))
    archive.symlink("bin/qemu", str(program))
    archive.file("lib/linked.so", linked)
    for rom in FIRMWARE:
        archive.file(str(rom), _need(rom))


def _compile(source: Path, target: Path, *options: str) -> Path:
    try:
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", *options, "-o", target, source], check=True)
    except subprocess.CalledProcessError as err:
        raise CannotRun(f"{source} did not compile") from err
    return target


def _bytes(archive: Archive) -> bytes:
    out = io.BytesIO()
    archive.write(out)
    return out.getvalue()


def _l1_base() -> bytes:
    archive = _userland()
    archive.file("init", HERE / "l1-init")
    return _bytes(archive)


def kvm_modules(modules: str | Path, booted: kernel.Kernel) -> dict[str, Path]:
    """Those that make a KVM for this kernel."""
    sources = dict(booted.modules)
    if modules != "stock":
        directory = MODULES / booted.release if modules == "nested" else Path(modules)
        sources |= {name: directory / f"{name}.ko" for name in OUR_MODULES}
    for path in sources.values():
        if not path.exists():
            raise CannotRun(f"{path} is missing; build it with '{booted.build_ours}'")
    return sources


def _l1_modules(name: str, modules: str | Path, booted: kernel.Kernel) -> bytes:
    """A KVM that L1 can load, as the directory /kvm/NAME."""
    archive = Archive()
    for module, path in kvm_modules(modules, booted).items():
        archive.file(f"kvm/{name}/{module}.ko", path)
    return _bytes(archive)


def programs(commands: Iterable[str]) -> dict[str, Path]:
    """Those of ours that the commands call, by their place in L1."""
    called = {word for command in commands for word in command.split()}
    found = {f"selftests/{test.name}": test for test in sorted(SELFTESTS.glob("*")) if test.is_file()}
    if HVNEST.is_file():
        found["bin/hvnest"] = HVNEST
    return {name: path for name, path in found.items() if path.name in called}


def _test_modules(programs: Mapping[str, Path], booted: kernel.Kernel) -> dict[str, Path]:
    """The modules that programs need, by their place in L1: those of the same name."""
    names = {path.name for path in programs.values()}
    found = sorted((TEST_MODULES / booted.release).glob("*.ko"))
    return {f"test-modules/{module.name}": module for module in found if module.stem in names}


def _file(name: str, path: Path) -> bytes:
    """A file that L1s share."""
    archive = Archive()
    archive.file(name, path)
    return _bytes(archive)


def _commands(scenarios: Sequence[Scenario]) -> bytes:
    archive = Archive()
    for scenario in scenarios:
        archive.data(f"scenario/{scenario.name}", "".join(f"{command}\n" for command in scenario.run))
    return _bytes(archive)


def _l2(booted: kernel.Kernel, linked: Path, init: Path) -> bytes:
    """What an L1 needs to boot a Linux as L2."""
    guest = _bare()
    guest.file("init", init)
    for program in ("clock_read", "tlb_storm"):
        guest.file(f"bin/{program}", _need(SELFTESTS / program, "make rig"))
    archive = Archive()
    _add_qemu(archive, linked, SMALL_QEMU if SMALL_QEMU.exists() else QEMU)
    archive.file("bin/boot-l2", HERE / "boot-l2")
    archive.file("l2/vmlinux", booted.vmlinux)
    archive.data("l2/initrd", _bytes(guest))
    return _bytes(archive)


def _next(booted: kernel.Kernel) -> bytes:
    """What an L1 needs to put another kernel in its place."""
    archive = Archive()
    archive.file("bin/next-kernel", HERE / "next-kernel")
    archive.file("bin/start_kernel", _need(SELFTESTS / "start_kernel", "make rig"))
    archive.file("next/bzimage", booted.bzimage)
    return _bytes(archive)


def _perf() -> bytes:
    """What an L1 needs to measure an L2 with perf."""
    archive = Archive()
    _add_program(archive, _need(PERF, "tools/build/deps perf"))
    archive.file("bin/perf-l2", HERE / "perf-l2")
    return _bytes(archive)


@dataclass
class Images:
    """What the outer machines of a run start from."""

    directory: Path
    initrd: Path
    rows: dict[Configuration, str]  # how L0 knows each L1
    kvms: dict[str | Path, str]  # how L1 knows each KVM's modules
    faults: dict[tuple[str, ...], str]  # how L0 knows the faults that come with them
    _cd: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cd(self, append: str) -> Path:
        """A CD that boots L0, for an emulator that cannot take a kernel directly."""
        with self._lock:
            if not self._cd:
                self._cd = _make_cd(self.directory, self.initrd, append)
            return self._cd

    def forkserver(self) -> Path:
        return _compile(HERE / "forkserver.c", self.directory / "forkserver.so", "-shared", "-fPIC")

    def remove(self) -> None:
        """They are large; what they are made of stays."""
        self.initrd.unlink(missing_ok=True)
        if self._cd:
            self._cd.unlink(missing_ok=True)


def _add_strict(archive: Archive, configurations: Sequence[Configuration], scenarios: Sequence[Scenario]) -> bool:
    """L0's strict KVM, where a configuration wants it; False when there is none."""
    wanted = [configuration for configuration in configurations if configuration.l0_kvm == "strict"]
    modules = [STRICT / f"{name}.ko" for name in OUR_MODULES]
    if not all(module.exists() for module in modules):
        if any(scenario.faults for scenario in scenarios):
            raise CannotRun(f"faults need the strict L0, but {STRICT.relative_to(TOP)} has no modules; run 'make strict'")
        if wanted:
            say(f"{STRICT.relative_to(TOP)} has no modules: L0 uses the kernel's own KVM and counts no stale fields")
        return False
    if wanted:
        for module in modules:
            archive.file(f"mods-strict/{module.name}", module)
    return True


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def build(groups: Mapping[Configuration, Mapping[Kvm, Sequence[Scenario]]], directory: Path) -> Images:
    """Write L0's initramfs for these scenarios; all L1s share what they can."""
    rig = kernel.build()
    archive = _userland()
    archive.file("init", HERE / "l0-init")
    for program in ("e9cat", "first", "timeslice"):
        archive.file(f"bin/{program}", _compile(HERE / f"{program}.c", directory / program, "-static"))
    linked = _compile(HERE / "linked.c", directory / "linked.so", "-shared", "-fPIC")
    l2_init = _compile(HERE / "l2-init.c", directory / "l2-init", "-static")
    _add_qemu(archive, linked)
    for path in programs(configuration.l0_run for configuration in groups).values():
        archive.file(f"bin/{path.name}", path)
    for name, path in rig.modules.items():
        archive.file(f"mods/{name}.ko", path)
    strict = _add_strict(archive, list(groups), [s for some in groups.values() for alike in some.values() for s in alike])
    late = {kvm.faults: None for kvms in groups.values() for kvm in kvms}
    faults = {lines: str(number) for number, lines in enumerate(late)}
    for lines, name in faults.items():
        archive.data(f"faults/{name}", _text(lines))

    archive.data("l1/base", _l1_base())
    for name in {configuration.l2_kernel for configuration in groups if configuration.l2}:
        archive.data(f"l1/l2-{name}", _l2(kernel.named(name), linked, l2_init))
    if any(configuration.perf for configuration in groups):
        archive.data("l1/perf", _perf())
    rows: dict[Configuration, str] = {}
    sets = {modules: None for kvms in groups.values() for modules in (kvm.modules for kvm in kvms)}
    kvms = {modules: str(number) for number, modules in enumerate(sets, 1)}
    for number, (configuration, scenarios) in enumerate(groups.items(), 1):
        booted = kernel.named(configuration.kernel)
        vmlinux = f"l1/vmlinux-{booted.release}"
        row = f"plan/{number}"
        archive.file(vmlinux, booted.vmlinux)
        alike = [s for some in scenarios.values() for s in some]
        archive.data(f"{row}/scenarios", _commands(alike))
        parts = ["l1/base", f"{row}/scenarios"]
        called = programs(command for s in alike for command in s.run)
        for name, path in called.items():
            archive.data(f"l1/{name}", _file(name, path))
            parts.append(f"l1/{name}")
        for name, path in _test_modules(called, booted).items():
            part = f"l1/{booted.release}/{name}"
            archive.data(part, _file(name, path))
            parts.append(part)
        if any("next-kernel" in command.split() for s in alike for command in s.run):
            part = f"l1/next-{booted.release}"
            archive.data(part, _next(booted))
            parts.append(part)
        for modules in {kvm.modules: None for kvm in scenarios}:
            part = f"l1/kvm-{kvms[modules]}-{booted.release}"
            archive.data(part, _l1_modules(kvms[modules], modules, booted))
            parts.append(part)
        parts += [f"l1/l2-{configuration.l2_kernel}"] * configuration.l2 + ["l1/perf"] * configuration.perf
        for key, value in {
            "initrds": "".join(f"/{part}\n" for part in parts),
            "kernel": f"/{vmlinux}\n",
            "cpu": f"{configuration.cpu}\n",
            "cpus": f"{configuration.cpus}\n",
            "memory": f"{configuration.memory}\n",
            "append": f"{L1_APPEND} {configuration.append}".strip() + "\n",
            "l0-run": f"{configuration.l0_run}\n",
            "l0-kvm": f"{configuration.l0_kvm if strict else 'plain'}\n",
            "gpa-flush": f"{'y' if configuration.gpa_flush else 'n'}\n",
            # A Linux with several CPUs as L2 spins with interrupts off
            "pause-exits": f"{'y' if configuration.l2 and configuration.cpus > 1 else 'n'}\n",
            "faults": _text(configuration.faults),
        }.items():
            archive.data(f"{row}/{key}", value)
        rows[configuration] = str(number)
    return Images(directory, archive.save(directory / "initrd"), rows, kvms, faults)


def _make_cd(directory: Path, initrd: Path, append: str) -> Path:
    files = directory / "cd"
    (files / "isolinux").mkdir(parents=True)
    for loader in ("/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(_need(Path(loader)), files / "isolinux")
    config = (HERE / "isolinux.cfg.in").read_text().replace("@APPEND@", append)
    (files / "isolinux/isolinux.cfg").write_text(config)
    shutil.copy(kernel.bzimage(), files / "bzimage")
    os.link(initrd, files / "initrd")
    image = directory / "boot.iso"
    # A fixed volume date keeps equal input equal on the CD.
    output_of(
        ["xorriso", "-as", "mkisofs", "-quiet", "-o", image, "--modification-date=2000010100000000"]
        + ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"]
        + ["-boot-load-size", "4", "-boot-info-table", files]
    )
    shutil.rmtree(files)
    return image
