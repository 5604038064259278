# SPDX-License-Identifier: GPL-2.0-only
"""The emulator. Debian's package of Bochs has the debugger in it, which looks at every instruction and
rules out the faster ways to emulate them. So the rig builds one without, from Debian's source; where there
is none to be had, it takes the installed one.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from common import BUILD, CannotRun, compile_with_progress, lock, output_of, say

DIRECTORY = BUILD / "bochs"
PROGRAM = DIRECTORY / "bochs"
STAMP = DIRECTORY / "bochs.stamp"
LOG = DIRECTORY / "build.log"
FILES_BUILT = 470  # about; only for the progress line
# One release for everybody: what is measured compares, and any Debian mirror has it.
SUITE = "stable"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NETWORK_SECONDS = 20
MODEL = "corei7_icelake_u"  # of the emulated CPU
# What that and the devices of bochsrc.in need; all else would only take longer to compile.
CONFIGURE = (
    ["--enable-cpu-level=6", "--enable-x86-64", "--enable-vmx=2", "--enable-avx", "--enable-evex"]
    + ["--enable-protection-keys", "--enable-fpu", "--enable-pci", "--enable-cdrom", "--enable-all-optimizations"]
    + ["--disable-debugger", "--disable-plugins", "--disable-docbook", "--disable-stats", "--with-nogui"]
)
FLAGS = "-O2 -fomit-frame-pointer"
# A CPU that waits for an interrupt looks for one every ten ticks; between two events of the machine there is none.
WAIT = ("cpu/event.cc", "BX_TICKN(10);", "BX_TICKN(bx_pc_system.getNumCpuTicksLeftNextEvent());")


@dataclass(frozen=True)
class Program:
    """A Bochs to run."""

    program: str
    version: str
    built: bool  # by the rig: no debugger, no plug-ins, and no display but "nogui"


def find() -> Program:
    """The one that was built, or else the installed one."""
    if _is_built():
        return Program(str(PROGRAM), STAMP.read_text().split()[0], True)
    return Program("bochs", output_of(["dpkg-query", "-f", "${Version}", "-W", "bochs"]), False)


def build() -> None:
    """Build it, if it is not there as it should be. Needs Debian's archive; says so where it cannot be reached."""
    with lock("bochs"):
        if _is_built():
            return
        DIRECTORY.mkdir(exist_ok=True)
        try:
            _build(_fetch())
        # Another release may lack a file that this one has, and a disk may be full.
        except (CannotRun, OSError) as err:
            say(f"the emulator cannot be built: {err}")
            say("the installed Bochs does as well, but takes twice the time; the next 'make' tries again")


def _fingerprint() -> str:
    """Changes whenever it must be built anew."""
    return hashlib.sha256(f"{CONFIGURE} {FLAGS} {WAIT} {output_of(['g++', '--version'])}".encode()).hexdigest()


def _is_built() -> bool:
    return PROGRAM.exists() and STAMP.exists() and STAMP.read_text().split()[1:] == [_fingerprint()]


def _mirror() -> str:
    """Where apt has Bochs from."""
    for words in map(str.split, output_of(["apt-cache", "policy", "bochs"]).splitlines()):
        if len(words) > 2 and "://" in words[1]:
            return words[1]
    raise CannotRun("apt lists no Bochs; run 'apt-get update'")


def _fetch() -> Path:
    """The source, by an apt that has lists of its own: those of the system stay as they are."""
    if not KEYRING.exists():
        raise CannotRun(f"there is no {KEYRING}, so that this is no Debian")
    sources = DIRECTORY / "sources.list"
    sources.write_text(f"deb-src [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    for name in ("lists", "cache"):
        (DIRECTORY / "apt" / name).mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": DIRECTORY / "apt/lists",
        "Dir::Cache": DIRECTORY / "apt/cache",
        "APT::Sandbox::User": "",
        "Acquire::http::Timeout": NETWORK_SECONDS,
        "Acquire::https::Timeout": NETWORK_SECONDS,
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    say("downloading the source of Bochs")
    for path in DIRECTORY.glob("bochs_*"):
        path.unlink()
    for words in (["--error-on=any", "update"], ["--download-only", "--tar-only", "source", "bochs"]):
        done = subprocess.run([*apt, *words], cwd=DIRECTORY, capture_output=True, text=True)
        if done.returncode:
            raise CannotRun(done.stderr.strip().split("\n")[0] or f"apt-get {words[-1]} failed")
    shutil.rmtree(DIRECTORY / "apt")
    for tarball in DIRECTORY.glob("bochs_*.orig.tar.*"):
        return tarball
    raise CannotRun(f"apt-get has left no bochs_*.orig.tar.* in {DIRECTORY}")


def _build(tarball: Path) -> None:
    version = tarball.name.removeprefix("bochs_").split(".orig.tar")[0]
    tree = DIRECTORY / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    output_of(["tar", "-xf", tarball, "-C", tree, "--strip-components=1"])
    path, slow, fast = WAIT
    (tree / path).write_text((tree / path).read_text().replace(slow, fast))
    cached = "ccache " if shutil.which("ccache") else ""
    env = os.environ | {
        "CC": f"{cached}gcc",
        "CXX": f"{cached}g++",
        "CFLAGS": FLAGS,
        "CXXFLAGS": FLAGS,
        "CCACHE_BASEDIR": str(DIRECTORY),
        "CCACHE_NOHASHDIR": "1",
    }
    say(f"Bochs {version}: building it in {tree}")
    with LOG.open("w") as log:
        configure = ["nice", "./configure", *CONFIGURE]
        if subprocess.run(configure, cwd=tree, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL).returncode:
            raise CannotRun(f"its configure failed; see {LOG}")
    make = ["nice", "make", "-C", str(tree), f"-j{os.cpu_count()}"]
    compiled = r"(?:ccache )?g(?:cc|\+\+) .*-c "
    if compile_with_progress(f"Bochs {version}", make, env, LOG, compiled, FILES_BUILT):
        raise CannotRun(f"it did not compile; see {LOG}")
    # A program that does not start, or lacks the CPU, must not take the installed one's place.
    models = subprocess.run([tree / "bochs", "--help", "cpu"], capture_output=True, text=True).stderr
    if MODEL not in models.split():
        raise CannotRun(f"it was built, but '{tree}/bochs --help cpu' does not name {MODEL}")
    STAMP.unlink(missing_ok=True)
    (tree / "bochs").rename(PROGRAM)
    STAMP.write_text(f"{version} {_fingerprint()}\n")
    shutil.rmtree(tree)
