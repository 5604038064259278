// SPDX-License-Identifier: GPL-2.0-only
/* guests.c: can this machine run guests at all, and if not, what is to be changed? */
#include <string.h>

#include "judge.h"

/* First Windows whose WSL2 can nest. */
#define WINDOWS_11	22000

static bool is(const char *value, const char *wanted)
{
	return value && !strcmp(value, wanted);
}

static enum tell parameter(const struct report *report, const char *key)
{
	const char *value = report_get(report, key);

	if (!value)
		return TELL_UNKNOWN;
	return is(value, "Y") || is(value, "1") ? TELL_YES : TELL_NO;
}

static const char *module_of(const struct host *host)
{
	return host->vendor == VENDOR_AMD ? "kvm_amd" : "kvm_intel";
}

static void advise_azure(struct verdict *verdict)
{
	if (verdict->host.isolation) {
		verdict_todo(verdict, "A confidential VM cannot run guests: make a VM of security type Standard, of a size with nested virtualization");
		return;
	}
	verdict_todo(verdict, "Take a VM size whose page in Azure's documentation says that nested virtualization is supported: resize, nothing inside the VM helps");
	verdict_todo(verdict, "If the size has it, the security type may be in the way: Standard has it, Trusted Launch lacks it on many sizes, confidential VMs always");
}

static void advise_no_cpu_support(struct verdict *verdict)
{
	const struct host *host = &verdict->host;

	if (!strcmp(verdict->kind, "bare-metal"))
		verdict_todo(verdict, "Turn virtualization on in the firmware's setup (VT-x, AMD-V or SVM), and power the machine off and on");
	else if (!strcmp(verdict->kind, "kvm-as-hyper-v"))
		verdict_todo(verdict, "On the host: load kvm_intel or kvm_amd with nested=1, and give the VM a CPU with vmx or svm, for example QEMU's -cpu host");
	else if (!host->hyperv)
		verdict_todo(verdict, "Turn nested virtualization on in the hypervisor below");
	else if (host->wsl && host->build && host->build < WINDOWS_11)
		verdict_todo(verdict, "The host is a Windows 10: WSL2 runs guests from Windows 11 on");
	else if (host->wsl)
		verdict_todo(verdict, "In Windows 11 put nestedVirtualization=true under [wsl2] in %%UserProfile%%\\.wslconfig, then: wsl --shutdown");
	else if (host->azure)
		advise_azure(verdict);
	else if (host->isolation)
		verdict_todo(verdict, "An isolated VM cannot run guests: make one without isolation");
	else
		verdict_todo(verdict, "On the host, with the VM off: Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true");
}

static void no(struct verdict *verdict, const char *reason)
{
	verdict->guests = TELL_NO;
	verdict_set(verdict->guests_reason, "%s", reason);
}

/* Instead of VMX such a partition has hypercalls to make guests beside itself. */
static void judge_mshv(struct verdict *verdict, const char *mshv)
{
	if (is(mshv, "ok")) {
		verdict->guests = TELL_YES;
		verdict_set(verdict->guests_reason, "through /dev/mshv; there is no KVM in such a partition");
		verdict_todo(verdict, "Use a VMM that knows /dev/mshv (cloud-hypervisor, QEMU with -accel mshv) in place of /dev/kvm");
	} else if (is(mshv, "denied")) {
		no(verdict, "this user may not open /dev/mshv, which takes the place of /dev/kvm here");
		verdict_todo(verdict, "Join the group of /dev/mshv, or run as root");
	} else {
		no(verdict, "guests run through /dev/mshv here, not /dev/kvm, and it is missing");
		verdict_todo(verdict, "Take a kernel with CONFIG_MSHV_ROOT, and load mshv_root");
	}
}

static void judge_missing_device(struct verdict *verdict, const struct report *report)
{
	const char *module = module_of(&verdict->host);
	const struct fact *config = NULL;
	char key[32];

	snprintf(key, sizeof(key), "module %s", module);
	if (report_get(report, key)) {
		no(verdict, "KVM is loaded, but there is no /dev/kvm");
		verdict_todo(verdict, "In a container: pass it in (--device /dev/kvm); else see in the kernel's log why KVM did not start");
		return;
	}
	verdict->guests = TELL_NO;
	verdict_set(verdict->guests_reason, "%s is not loaded", module);
	while ((config = report_next(report, "config ", config))) {
		if (!strncmp(config->value, "blacklist", 9))
			verdict_todo(verdict, "\"%s\" in %s keeps modprobe from loading it", config->value,
				     config->key + strlen("config "));
	}
	verdict_todo(verdict, "As root: modprobe %s; if it fails, the kernel's log says why", module);
}

void judge_guests(struct verdict *verdict, const struct report *report)
{
	const struct host *host = &verdict->host;
	const char *kvm = report_get(report, "device kvm");
	const char *mshv = report_get(report, "device mshv");
	bool able = host_has_word(report, "cpu-flags", "vmx") || host_has_word(report, "cpu-flags", "svm");
	bool knows_cpu = report_get(report, "cpu-flags");

	verdict->nested = parameter(report, host->vendor == VENDOR_AMD ? "param kvm_amd.nested" :
				    "param kvm_intel.nested");
	if (is(kvm, "ok")) {
		verdict->guests = TELL_YES;
		if (knows_cpu && !able)
			verdict_set(verdict->guests_reason, "by a KVM that needs neither VMX nor SVM");
	} else if (host->partition != PARTITION_GUEST && host->hyperv) {
		judge_mshv(verdict, mshv);
	} else if (knows_cpu && !able) {
		no(verdict, host_log(report, "VMX not enabled") || host_log(report, "isabled by") ?
			    "the firmware has turned VMX or SVM off" : "the CPU has neither VMX nor SVM");
		advise_no_cpu_support(verdict);
	} else if (!kvm) {
		verdict->guests = TELL_UNKNOWN;
		verdict_set(verdict->guests_reason, "nothing known of /dev/kvm");
	} else if (is(kvm, "missing")) {
		judge_missing_device(verdict, report);
	} else if (is(kvm, "denied")) {
		no(verdict, "this user may not open /dev/kvm");
		verdict_todo(verdict, "As root: usermod -aG kvm USER (or the group that ls -l /dev/kvm shows); then log in anew");
	} else {
		verdict->guests = TELL_NO;
		verdict_set(verdict->guests_reason, "/dev/kvm: %s", kvm);
	}
}
