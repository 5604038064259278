// SPDX-License-Identifier: GPL-2.0-only
/*
 * start_kernel: another kernel in place of the running one.
 *
 *	start_kernel load|crash KERNEL INITRD PARAMETERS
 *	start_kernel now
 *
 * load: for "now", which stops this kernel's devices and returns only if it fails.
 * crash: for a panic; there must be memory for it (crashkernel=).
 *
 * KERNEL is a bzImage, which is entered by the 64-bit boot protocol. kexec_load() takes it as it
 * is; kexec_file_load() would have each byte summed up twice, which takes a minute of an emulated
 * machine, and the package kexec-tools would have its say in how the test's host reboots.
 *
 * Exit code: 0 ok; 2 could not.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/ktap.h"

#define PAGE	   4096ULL
#define LOW_MEMORY 0x100000ULL
#define SECTOR	   512ULL
#define ENTRY_64   0x200 /* from the start of what is loaded of a bzImage */
#define E820_RAM   1

struct file {
	void *data;
	size_t size;
};

/* Where the next kernel may be, and all memory that it may know of. */
struct memory {
	uint64_t start, end; /* the end is not in it */
	unsigned int entries;
	struct boot_e820_entry map[E820_MAX_ENTRIES_ZEROPAGE];
};

/* What goes before the kernel: two pages. */
struct start {
	struct boot_params params;
	uint8_t code[64];
	char command_line[PAGE - 64];
};

static uint64_t up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static struct file map_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct file file;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		ktap_bail("%s: %s", name, strerror(errno));
	file.size = st.st_size;
	file.data = mmap(NULL, file.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file.data == MAP_FAILED)
		ktap_bail("%s: %s", name, strerror(errno));
	return file;
}

/* The type that the firmware's table has for what the kernel calls so; 0: none of it. */
static uint32_t e820_type(const char *name)
{
	static const char *const names[] = {
		"System RAM", "Reserved", "ACPI Tables", "ACPI Non-volatile Storage"
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return E820_RAM + i;
	return 0;
}

static void add_entry(struct memory *memory, uint64_t start, uint64_t size, uint32_t type)
{
	if (memory->entries == E820_MAX_ENTRIES_ZEROPAGE)
		ktap_bail("/proc/iomem has more than %d ranges", E820_MAX_ENTRIES_ZEROPAGE);
	memory->map[memory->entries++] =
		(struct boot_e820_entry){ .addr = start, .size = size, .type = type };
}

/*
 * From /proc/iomem, where what is inside of a range is indented. A crash kernel has the memory
 * that is reserved for it, and the first megabyte, of which the kernel before it uses nothing.
 */
static void find_memory(struct memory *memory, bool crash)
{
	FILE *iomem = fopen("/proc/iomem", "re");
	char line[256], name[128];

	memset(memory, 0, sizeof(*memory));
	while (iomem && fgets(line, sizeof(line), iomem)) {
		unsigned long long start, last;
		bool ram, place;
		uint32_t type;

		if (sscanf(line, "%llx-%llx : %127[^\n]", &start, &last, name) != 3)
			continue;
		type = line[0] == ' ' ? 0 : e820_type(name);
		ram = type == E820_RAM;
		place = crash ? !strcmp(name, "Crash kernel") : ram;
		if (place && last + 1 - start > memory->end - memory->start) {
			memory->start = start;
			memory->end = last + 1;
		}
		if (type && !(crash && ram && start >= LOW_MEMORY))
			add_entry(memory, start, last + 1 - start, type);
	}
	if (iomem)
		fclose(iomem);
	if (!memory->end)
		ktap_bail("/proc/iomem has no memory for such a kernel");
	if (crash)
		add_entry(memory, memory->start, memory->end - memory->start, E820_RAM);
}

static const struct setup_header *header_of(const struct file *kernel)
{
	const struct setup_header *header = kernel->data + offsetof(struct boot_params, hdr);

	if (kernel->size < sizeof(struct boot_params) || header->boot_flag != 0xaa55 ||
	    memcmp(&header->header, "HdrS", 4) || header->version < 0x020c ||
	    !(header->xloadflags & XLF_KERNEL_64) || !header->relocatable_kernel)
		ktap_bail("the kernel is no bzImage that can be entered in 64-bit mode, anywhere");
	return header;
}

/* mov $params, %rsi; mov $entry, %rax; jmp *%rax */
static void write_code(uint8_t *code, uint64_t params, uint64_t entry)
{
	*code++ = 0x48, *code++ = 0xbe;
	memcpy(code, &params, sizeof(params));
	code += sizeof(params);
	*code++ = 0x48, *code++ = 0xb8;
	memcpy(code, &entry, sizeof(entry));
	code += sizeof(entry);
	*code++ = 0xff, *code++ = 0xe0;
}

static struct kexec_segment segment(const void *data, size_t size, uint64_t place, uint64_t room)
{
	return (struct kexec_segment){
		.buf = data, .bufsz = size, .mem = (void *)place, .memsz = up(room, PAGE)
	};
}

static void load(bool crash, char **argv)
{
	static struct start start;
	struct file kernel = map_file(argv[0]), initrd = map_file(argv[1]);
	const struct setup_header *header = header_of(&kernel);
	size_t real_mode = (header->setup_sects + 1) * SECTOR;
	uint64_t kernel_at, initrd_at, start_at;
	struct kexec_segment segments[3];
	struct memory memory;

	if (kernel.size <= real_mode || header->init_size < kernel.size - real_mode)
		ktap_bail("the kernel is not as long as its header says");
	find_memory(&memory, crash);
	kernel_at = up(memory.start, header->kernel_alignment);
	if (kernel_at < header->pref_address)
		kernel_at = header->pref_address;
	initrd_at = (memory.end - initrd.size) / PAGE * PAGE;
	start_at = initrd_at - sizeof(start);
	if (initrd.size + sizeof(start) > memory.end || kernel_at + header->init_size > start_at)
		ktap_bail("%llu KiB of memory are too little for kernel and initrd",
			  (unsigned long long)(memory.end - memory.start) / 1024);
	if (strlen(argv[2]) >= sizeof(start.command_line))
		ktap_bail("the parameters are longer than %zu bytes",
			  sizeof(start.command_line) - 1);

	start.params.hdr = *header;
	start.params.hdr.type_of_loader = 0xff;
	start.params.hdr.ramdisk_image = initrd_at;
	start.params.ext_ramdisk_image = initrd_at >> 32;
	start.params.hdr.ramdisk_size = initrd.size;
	start.params.hdr.cmd_line_ptr = start_at + offsetof(struct start, command_line);
	start.params.ext_cmd_line_ptr = (start_at + offsetof(struct start, command_line)) >> 32;
	start.params.e820_entries = memory.entries;
	memcpy(start.params.e820_table, memory.map, sizeof(start.params.e820_table));
	memcpy(start.command_line, argv[2], strlen(argv[2]));
	write_code(start.code, start_at, kernel_at + ENTRY_64);

	segments[0] = segment(kernel.data + real_mode, kernel.size - real_mode, kernel_at,
			      header->init_size);
	segments[1] = segment(&start, sizeof(start), start_at, sizeof(start));
	segments[2] = segment(initrd.data, initrd.size, initrd_at, initrd.size);
	if (syscall(SYS_kexec_load, start_at + offsetof(struct start, code), 3UL, segments,
		    KEXEC_ARCH_X86_64 | (crash ? KEXEC_ON_CRASH : 0)))
		ktap_bail("kexec_load: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "load")) {
		load(false, argv + 2);
	} else if (argc == 5 && !strcmp(argv[1], "crash")) {
		load(true, argv + 2);
	} else if (argc == 2 && !strcmp(argv[1], "now")) {
		reboot(LINUX_REBOOT_CMD_KEXEC);
		ktap_bail("kexec: %s", strerror(errno));
	} else {
		ktap_bail("usage: start_kernel load|crash KERNEL INITRD PARAMETERS | now");
	}
	return 0;
}
