# SPDX-License-Identifier: GPL-2.0-only
"""The kernels of the rig: its own small one, variants of it, one with our core, and Debian's cloud kernel as an L1."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import BUILD, HERE, KERNEL, RIG, TOP, CannotRun, compile_with_progress, lock, output_of, say

FRAGMENT = HERE / "kernel.config"
FILES_BUILT = 1600  # about; only for the progress line
FILES_THAT_DIFFER = 220  # about; from one variant to another
KVM_MODULES = ("irqbypass", "kvm", "kvm-intel")
KVM_PATHS = ("virt/lib/irqbypass", "arch/x86/kvm/kvm", "arch/x86/kvm/kvm-intel")
CLOUD_MODULES = ("virtio_mmio", *KVM_MODULES)  # virtio_mmio: built into the rig's kernel


@dataclass(frozen=True)
class Kernel:
    """A kernel that L1 can boot, with the modules that came with it and L1 loads."""

    release: str
    vmlinux: Path  # an ELF file that QEMU enters through PVH
    bzimage: Path  # the same, as a boot loader takes it
    modules: dict[str, Path]
    build_ours: str  # the command that builds our modules for it


def source() -> Path:
    """The kernel source that everything is built from."""
    return Path(output_of([TOP / "tools/build/unpack"]))


def version_of(tree: Path) -> str:
    head = (tree / "Makefile").read_text().split("NAME", 1)[0]
    return ".".join(re.findall(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", head, re.M))


@dataclass(frozen=True)
class Variant:
    """One configuration of the rig's own kernel; each fragment overrules those before it."""

    suffix: str
    fragments: tuple[Path, ...]
    core: Path | None = None  # where the core is that takes the place of the kernel's own files
    place: Path = BUILD
    base: "Variant | None" = None  # of the same configuration, with another core or none

    @property
    def directory(self) -> Path:
        # The source lies as far from it as from the plain one, and its configuration is the
        # same: so ccache has what our core does not change.
        return self.place / f"rig/kernel{self.suffix}"

    @property
    def log(self) -> Path:
        return self.directory.with_name(f"kernel{self.suffix}.log")

    @property
    def stamp(self) -> Path:
        return self.directory.with_name(f"kernel{self.suffix}.stamp")

    def config(self) -> str:
        return "".join(path.read_text() for path in self.fragments)

    def failed(self, what: str) -> CannotRun:
        last = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return CannotRun(f"{what}; the last lines of {self.log}:\n{last}")


PLAIN = Variant("", (FRAGMENT,))
DEBUG = Variant("-debug", (FRAGMENT, HERE / "kernel-debug.config"))
GUEST = Variant("-guest", (FRAGMENT, HERE / "kernel-guest.config"))
CORE = Variant("", PLAIN.fragments, TOP, BUILD / "core", PLAIN)
CORE_DEBUG = Variant("-debug", DEBUG.fragments, TOP, BUILD / "core", DEBUG)
VARIANTS = {"rig": PLAIN, "debug": DEBUG, "guest": GUEST, "core": CORE, "core-debug": CORE_DEBUG}
CORE_DIRECTORIES = ("arch/x86/hyperv", "drivers/hv")


def _tree(plain: Path, variant: Variant) -> Path:
    return variant.place / plain.name if variant.core else plain


def _with_core(tree: Path, variant: Variant) -> Path:
    """The kernel source with our core in it."""
    assembled = _tree(tree, variant)
    assembled.parent.mkdir(exist_ok=True)
    output_of([TOP / "tools/build/assemble-kernel", tree, assembled, variant.core])
    return assembled


def _core_files(core: Path) -> Iterator[Path]:
    yield TOP / "tools/build/assemble-kernel"
    for name in CORE_DIRECTORIES:
        yield from sorted((core / name).iterdir())


def _fingerprint(variant: Variant, tree: Path) -> str:
    """Changes whenever the kernel must be built anew."""
    makefile = tree / "Makefile"
    digest = hashlib.sha256(variant.config().encode())
    digest.update(f"{tree} {makefile.stat().st_mtime_ns} {output_of(['gcc', '--version'])}".encode())
    if variant.core:
        for path in _core_files(variant.core):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _is_built(variant: Variant, plain: Path) -> bool:
    return variant.stamp.exists() and variant.stamp.read_text() == _fingerprint(variant, plain)


def _start_from(base: Variant, variant: Variant, plain: Path) -> None:
    """Copy what another variant has built, so that make compiles only what differs.

    make knows what it did by the words of the command: they have the path of the source in them.
    By the time it knows what a file is newer than; that says nothing where another file has the same name.
    """
    theirs, ours = _tree(plain, base), _tree(plain, variant)
    partial = variant.directory.with_name(f"{variant.directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(base.directory, partial, symlinks=True)
    for path in partial.rglob("*.cmd"):
        text = path.read_text()
        if str(theirs) in text:
            path.write_text(text.replace(f"{theirs}/", f"{ours}/"))
    # A directory of the assembled tree that is no link has other files in it.
    for place, _, _ in os.walk(ours):
        for path in (partial / Path(place).relative_to(ours)).glob("*.o"):
            path.unlink()
    partial.rename(variant.directory)


def _environment() -> dict[str, str]:
    """Two builds of one source give the same bytes, and clones share ccache's objects."""
    return os.environ | {
        "KBUILD_BUILD_TIMESTAMP": "@0",
        "KBUILD_BUILD_VERSION": "1",
        "KBUILD_BUILD_USER": "rig",
        "KBUILD_BUILD_HOST": "hvnest",
        "CCACHE_BASEDIR": str(TOP),
        "CCACHE_NOHASHDIR": "1",
        "CCACHE_DEPEND": "1",
    }


def _configure(variant: Variant, make: list[str], env: dict[str, str]) -> None:
    """tinyconfig, then our fragments; every setting must survive."""
    config = variant.directory / ".config"
    with variant.log.open("w") as log:
        for target in ("tinyconfig", "olddefconfig"):
            if subprocess.run([*make, target], stdout=log, stderr=log, env=env).returncode:
                raise variant.failed(f"make {target} failed")
            if target == "tinyconfig":
                with config.open("a") as file:
                    file.write(variant.config())
    result = set(config.read_text().splitlines())
    wanted = dict(line.split("=", 1) for line in variant.config().splitlines() if line.startswith("CONFIG_"))
    for name, value in wanted.items():
        line = f"{name}={value}"
        lost = line not in result if value != "n" else any(r.startswith(f"{name}=") for r in result)
        if lost:
            raise CannotRun(f"{variant.fragments[-1]}: this kernel does not accept '{line}'")


def build(variant: Variant = PLAIN) -> Kernel:
    """The rig's own kernel; built when its fragments, its source or the compiler changed."""
    plain = source()
    release = f"{version_of(plain)}-rig{variant.suffix}{'-core' if variant.core else ''}"
    directory = variant.directory
    with lock(f"kernel-{release}"):
        if not _is_built(variant, plain):
            fingerprint = _fingerprint(variant, plain)
            variant.stamp.unlink(missing_ok=True)
            tree = _with_core(plain, variant) if variant.core else plain
            about = FILES_BUILT
            if not directory.exists() and variant.base and _is_built(variant.base, plain):
                _start_from(variant.base, variant, plain)
                about = FILES_THAT_DIFFER
            directory.mkdir(parents=True, exist_ok=True)
            compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
            make = ["nice", "make", "-C", str(tree), f"O={directory}", f"-j{os.cpu_count()}", f"CC={compiler}"]
            # Not in the configuration, which would be another one for all files
            make += ["LOCALVERSION=-core"] if variant.core else []
            say(f"kernel {release}: building it in {directory.relative_to(TOP)} from {tree}")
            _configure(variant, make, _environment())
            if compile_with_progress(f"kernel {release}", make, _environment(), variant.log, r"  [A-Z]+ +\S", about):
                raise variant.failed("the kernel did not build")
            variant.stamp.write_text(fingerprint)
    return Kernel(
        release,
        directory / "arch/x86/boot/compressed/vmlinux.bin",
        directory / "arch/x86/boot/bzImage",
        dict(zip(KVM_MODULES, (directory / f"{path}.ko" for path in KVM_PATHS))),
        f"tools/build/modules --kernel-dir {directory.relative_to(TOP)}",
    )


def bzimage() -> Path:
    return KERNEL / "arch/x86/boot/bzImage"


def cloud() -> Kernel:
    """Debian's stock cloud kernel of the source's version; the installed one, else fetched."""
    tree = source()
    version = version_of(tree)
    names = output_of(["apt-cache", "pkgnames", f"linux-image-{version}+"]).splitlines()
    packages = [name for name in names if name.endswith("-cloud-amd64")]
    if not packages:
        raise CannotRun(f"apt lists no cloud kernel of version {version}; run 'apt-get update'")
    release = packages[0].removeprefix("linux-image-")
    with lock("cloud-kernel"):
        root = Path("/")
        if not (root / "boot" / f"vmlinuz-{release}").exists():
            root = BUILD / f"cloud-{release}"
            _fetch(packages[0], root)
        bzimage = root / "boot" / f"vmlinuz-{release}"
        prepared = RIG / f"cloud-{release}"
        if not (prepared / "vmlinux").exists():
            _prepare(tree, root, release, prepared)
    modules = {name: prepared / f"{name}.ko" for name in CLOUD_MODULES}
    return Kernel(release, prepared / "vmlinux", bzimage, modules, "make modules")


def named(name: str) -> Kernel:
    """The kernel that a scenario names."""
    return build(VARIANTS[name]) if name in VARIANTS else cloud()


def _fetch(package: str, root: Path) -> None:
    """Download a package and unpack it below build/; nothing is installed."""
    if (root / "boot").exists():
        return
    say(f"downloading {package}")
    with tempfile.TemporaryDirectory(dir=RIG) as work:
        try:
            subprocess.run(["apt-get", "-qq", "download", package], cwd=work, check=True)
            (deb,) = Path(work).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", deb, Path(work) / "root"], check=True)
        except subprocess.CalledProcessError as err:
            raise CannotRun(f"cannot fetch {package}; run 'apt-get update' and try again") from err
        (Path(work) / "root").rename(root)


def _prepare(tree: Path, root: Path, release: str, prepared: Path) -> None:
    """Unpack on the host what would be slow to unpack in the emulator."""
    prepared.mkdir(parents=True, exist_ok=True)
    found = {path.name.split(".")[0]: path for path in (root / "lib/modules" / release).rglob("*.ko*")}
    for name in CLOUD_MODULES:
        packed = found[name]
        plain = prepared / f"{name}.ko"
        if packed.suffix == ".xz":
            plain.write_bytes(subprocess.run(["xz", "-dc", packed], check=True, capture_output=True).stdout)
        else:
            shutil.copyfile(packed, plain)
    image = subprocess.run(
        [tree / "scripts/extract-vmlinux", root / "boot" / f"vmlinuz-{release}"], check=True, capture_output=True
    )
    partial = prepared / "vmlinux.partial"
    partial.write_bytes(image.stdout)
    partial.rename(prepared / "vmlinux")
