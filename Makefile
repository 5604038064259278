# SPDX-License-Identifier: GPL-2.0-only
#
# hvnest: the front door. "make" alone says what there is.

TOP	:= $(CURDIR)
RIG	:= tools/testing/rig/rig
MODULES	:= tools/build/modules

# Every message of a step goes to stderr as it happens; only a result (the
# table, KTAP) goes to stdout.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo 'hvnest: KVM inside a Hyper-V VM, fast and correct'
	@echo
	@echo '  make run               boot the nested machine on an emulated CPU and print'
	@echo '                         what one L2 exit costs, stock KVM and ours side by side'
	@echo '  make bench SUITE=cpuid the same in detail: spread, and what of it is L1'\''s part'
	@echo '  make bench SUITE=tlb   what it costs that pages of L2 go and come'
	@echo '  make bench SUITE=directflush'
	@echo '                         flushes of L2'\''s TLB: whom they wake, whom they reach'
	@echo '  make bench SUITE=clock what it costs to read the clock, at each level'
	@echo '  make bench SUITE=core  what L1'\''s own use of Hyper-V costs: to boot, a hypercall, an interrupt'
	@echo '  make check             run every test; KTAP'
	@echo '  make check-all         boot each flavour of L1 on an L0 that lacks or breaks one thing (long)'
	@echo '  make check-debug       run the tests in L1 under KASAN, UBSAN and lockdep'
	@echo '  make check-perf        run perf in L1 on the exits of L2'
	@echo '  make mutants           see that seeded bugs make tests fail'
	@echo '  make fuzz              fuzz for FUZZ_SECONDS (3600)'
	@echo '  make kernel            build a kernel with our core of Hyper-V'\''s guest side, and its modules'
	@echo '  make modules [KVER=]   build kvm.ko, kvm-intel.ko, kvm-amd.ko for a stock kernel'
	@echo '  make tool              build hvnest, the command: what is in use here, what an exit costs'
	@echo '  make install [KVER=]   install modules and command (root); PREFIX (/usr/local), DESTDIR'
	@echo '  make check-versions    build against the oldest and the newest kernel in apt'
	@echo '  make style             checkpatch, sparse, W=1, compilers, shellcheck'
	@echo '  make clean             remove build/'
	@echo
	@echo '  KVER=6.12.x+...        a kernel whose headers are installed; default: the running'
	@echo '                         kernel, or else that of the installed kernel source'
	@echo '  DEPS=skip              install no packages, say which are missing'
	@echo '  RIG=kvm                /dev/kvm with VMX in place of the emulated CPU (untried)'

.PHONY: deps
deps:
	@tools/build/deps

# The machine that run and check share: the rig's kernel, our modules for it, and
# the programs that L1 runs.
.PHONY: rig
rig: deps
	@$(RIG) kernel
	@$(MODULES) --kernel-dir build/rig/kernel
	@$(MAKE) -s -C tools/testing/selftests/hyperv OUTPUT=$(TOP)/build/selftests
	@$(MAKE) -s -C tools/hv OUTPUT=$(TOP)/build/hv-static LDFLAGS=-static

# A kernel with our core in place of the kernel's own files, for the rig's L1.
.PHONY: kernel
kernel: deps
	@$(RIG) kernel --core
	@$(MODULES) --kernel-dir build/core/rig/kernel

# What the tests need beyond it: a faster emulator, and the KVM of a strict L0.
.PHONY: strict
strict: rig
	@$(RIG) emulator
	@$(MODULES) --kernel-dir build/rig/kernel --part tools/testing/rig/l0 --out build/rig/l0

.PHONY: run
run: rig
	@$(RIG) bench

# Suites: run (as "make run" has it), cpuid, tlb, directflush, clock, core
SUITE ?= run
.PHONY: bench
bench: strict $(if $(filter clock,$(SUITE)),guest-kernel kernel) $(if $(filter core,$(SUITE)),test-modules)
	@$(RIG) bench $(SUITE)

# By which tests in L1 get at the kernel's API, for both of the rig's kernels
.PHONY: test-modules
test-modules: rig kernel
	@$(MAKE) -s -C tools/testing/modules KERNEL=$(TOP)/build/rig/kernel
	@$(MAKE) -s -C tools/testing/modules KERNEL=$(TOP)/build/core/rig/kernel

# For L1 and L2: a kernel that knows KVM's clock.
.PHONY: guest-kernel
guest-kernel: deps
	@$(RIG) kernel --guest
	@$(MODULES) --kernel-dir build/rig/kernel-guest

.PHONY: check
check: strict kernel
	@tools/build/deps check
	@$(MODULES)
	@tools/testing/check

# Goes on where it was interrupted.
.PHONY: check-all
check-all: strict kernel
	@$(RIG) matrix
	@$(RIG) run --group all --results build/results/all.json

# The kernel with the checkers is L1's; L0 stays as it is.
.PHONY: check-debug
check-debug: strict
	@$(RIG) kernel --debug
	@$(MODULES) --kernel-dir build/rig/kernel-debug
	@$(RIG) kernel --core-debug
	@$(MODULES) --kernel-dir build/core/rig/kernel-debug
	@$(RIG) run --group check --kernel debug --results build/results/debug.json

# perf in L1 makes the machine's image so big that all other tests would feel it.
.PHONY: check-perf
check-perf: strict
	@tools/build/deps perf
	@$(RIG) run --group perf

.PHONY: mutants
mutants: strict kernel
	@tools/build/deps check
	@tools/testing/mutants/run

FUZZ_SECONDS ?= 3600
.PHONY: fuzz
fuzz:
	@tools/build/deps check
	@tools/testing/fuzz/run $(FUZZ_SECONDS)

.PHONY: modules
modules: deps
	@$(MODULES) $(KVER)

.PHONY: tool
tool:
	@tools/build/deps tool
	@$(MAKE) -s -C tools/hv

.PHONY: install
install: modules tool
	@DESTDIR=$(DESTDIR) tools/build/install $(KVER)
	@$(MAKE) -s -C tools/hv install

.PHONY: check-versions
check-versions: deps
	@tools/build/check-versions

.PHONY: style
style:
	@tools/build/deps style
	@tools/build/style

.PHONY: clean
clean:
	rm -rf build
