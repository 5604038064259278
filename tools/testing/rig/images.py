# SPDX-License-Identifier: GPL-2.0-only
"""The images of a run: L0's initramfs with everything that its L1s are made of."""

import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import kernel
from common import HERE, MODULES, SELFTESTS, TOP, CannotRun, output_of
from cpio import Archive
from scenarios import Scenario

BUSYBOX = Path("/bin/busybox")
QEMU = Path("/usr/bin/qemu-system-x86_64")
FIRMWARE = (Path("/usr/share/qemu/qboot.rom"), Path("/usr/share/qemu/pvh.bin"))
OUR_MODULES = ("kvm", "kvm-intel")

L1_APPEND = "console=ttyS0,115200 quiet tsc=reliable no_timer_check panic=-1 8250.nr_uarts=2"


def _need(path: Path) -> Path:
    if not path.exists():
        raise CannotRun(f"{path} is missing; run 'make deps'")
    return path


def _userland() -> Archive:
    """What each level starts from: busybox and the mount points."""
    archive = Archive()
    for name in ("proc", "sys", "dev", "tmp"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    for applet in output_of([_need(BUSYBOX), "--list"]).split():
        archive.symlink(f"bin/{applet}", "busybox")
    archive.file("bin/busybox", BUSYBOX)
    return archive


def _add_qemu(archive: Archive) -> None:
    """QEMU with every library that it loads, and the firmware of its microvm."""
    archive.file(str(QEMU), _need(QEMU))
    for library in re.findall(r"(/\S+) \(0x", output_of(["ldd", QEMU])):
        archive.file(library, Path(library).resolve())
    for rom in FIRMWARE:
        archive.file(str(rom), _need(rom))


def _compile(source: Path, target: Path) -> Path:
    try:
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-static", "-o", target, source], check=True)
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


def _l1_modules(scenario: Scenario, booted: kernel.Kernel) -> bytes:
    archive = Archive()
    for name, path in booted.modules.items():
        if scenario.flavour == "nested" and name in OUR_MODULES:
            path = MODULES / booted.release / path.name
            if not path.exists():
                raise CannotRun(
                    f"{path.relative_to(TOP)} is missing; build it with "
                    + ("'make modules'" if scenario.kernel == "cloud" else f"'tools/build/modules --kernel-dir {kernel.KERNEL.relative_to(TOP)}'")
                )
        archive.file(f"mods/{name}.ko", path)
    return _bytes(archive)


def _l1_scenario(scenario: Scenario) -> bytes:
    """The scenario's commands, and those of the selftests that they call."""
    archive = Archive()
    called = set(" ".join(scenario.run).split())
    for test in sorted(SELFTESTS.glob("*")):
        if test.name in called and test.is_file():
            archive.file(f"selftests/{test.name}", test)
    archive.data("scenario/load", "yes\n" if scenario.load else "no\n")
    archive.data("scenario/run", "".join(f"{command}\n" for command in scenario.run))
    return _bytes(archive)


def _l2(rig: kernel.Kernel) -> bytes:
    """What an L1 needs to boot a Linux as L2."""
    guest = _userland()
    guest.file("init", HERE / "l2-init")
    archive = Archive()
    _add_qemu(archive)
    archive.file("bin/boot-l2", HERE / "boot-l2")
    archive.file("l2/vmlinux", rig.vmlinux)
    archive.data("l2/initrd", _bytes(guest))
    return _bytes(archive)


def memory_of_l0(scenarios: Sequence[Scenario]) -> int:
    """MiB for L0: its files, and the largest L1."""
    return 1536 + max(scenario.memory for scenario in scenarios)


def build(scenarios: Sequence[Scenario], directory: Path) -> Path:
    """Write L0's initramfs for these scenarios; all L1s share what they can."""
    rig = kernel.build()
    archive = _userland()
    archive.file("init", HERE / "l0-init")
    archive.file("bin/e9cat", _compile(HERE / "e9cat.c", directory / "e9cat"))
    _add_qemu(archive)
    for name, path in rig.modules.items():
        archive.file(f"mods/{name}.ko", path)

    archive.data("l1/base", _l1_base())
    if any(scenario.l2 for scenario in scenarios):
        archive.data("l1/l2", _l2(rig))
    for number, scenario in enumerate(scenarios, 1):
        booted = rig if scenario.kernel == "rig" else kernel.cloud()
        vmlinux = f"l1/vmlinux-{booted.release}"
        flavour = "nested" if scenario.flavour == "nested" else "stock"
        modules = f"l1/modules-{flavour}-{booted.release}"
        row = f"plan/{number:02}"
        archive.file(vmlinux, booted.vmlinux)
        archive.data(modules, _l1_modules(scenario, booted))
        archive.data(f"{row}/scenario", _l1_scenario(scenario))
        parts = ["l1/base", modules, f"{row}/scenario"] + ["l1/l2"] * scenario.l2
        for key, value in {
            "name": scenario.name,
            "initrds": "\n".join(f"/{part}" for part in parts),
            "kernel": f"/{vmlinux}",
            "cpu": scenario.cpu,
            "cpus": str(scenario.cpus),
            "memory": str(scenario.memory),
            "append": f"{L1_APPEND} {scenario.append}".strip(),
            "l0-run": scenario.l0_run,
        }.items():
            archive.data(f"{row}/{key}", f"{value}\n")
    return archive.save(directory / "initrd")


def make_cd(directory: Path, initrd: Path, append: str) -> Path:
    """A CD that boots L0, for an emulator that cannot take a kernel directly."""
    files = directory / "cd"
    (files / "isolinux").mkdir(parents=True)
    for loader in ("/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(_need(Path(loader)), files / "isolinux")
    config = (HERE / "isolinux.cfg.in").read_text().replace("@APPEND@", append)
    (files / "isolinux/isolinux.cfg").write_text(config)
    shutil.copy(kernel.bzimage(), files / "bzimage")
    initrd.rename(files / "initrd")
    image = directory / "boot.iso"
    # A fixed volume date keeps equal input equal on the CD.
    output_of(
        ["xorriso", "-as", "mkisofs", "-quiet", "-o", image, "--modification-date=2000010100000000"]
        + ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"]
        + ["-boot-load-size", "4", "-boot-info-table", files]
    )
    shutil.rmtree(files)
    return image
