/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h: an L2 that reports the part of its state that only its VMCS holds.
 *
 * A state is an array of values, one a field. state_set() gives it to a vCPU,
 * L2 copies what it finds to its page of data and writes to PORT_STEP, and
 * state_is() compares. After each report L2 moves its FS base by STATE_FS_STEP,
 * so that a part of the state is L2's own work.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

enum state_field {
	STATE_RSP,
	STATE_RFLAGS,
	STATE_CR3,
	STATE_CR4,
	STATE_FS_BASE,
	STATE_GS_BASE,
	STATE_SYSENTER_ESP,
	STATE_SYSENTER_EIP,
	STATE_GDT_LIMIT,
	STATE_IDT_LIMIT,
	STATE_FIELDS
};

struct state {
	uint64_t field[STATE_FIELDS];
};

/* L2's page of data. */
struct state_report {
	struct state state;
	uint64_t reports;	/* made so far */
	uint64_t ud, gp;	/* #UD and #GP handled so far */
	uint64_t error_codes;	/* sum of those that #GP brought */
};

#define STATE_FS_STEP	0x1000

#define STATE_UD	6
#define STATE_GP	13

/* Makes a VM and its vCPU 0, which runs the reporting L2. */
void state_create(struct vm *vm, struct vcpu *vcpu);

struct state_report *state_report(struct vcpu *vcpu);

/* Valid values for every field, different ones for each of the next seeds. */
struct state state_of(unsigned int seed);

void state_set(struct vcpu *vcpu, const struct state *state);

/*
 * True if L2's last report is of @expected; else says which fields are not.
 * Moves the FS base in @expected as L2 has done meanwhile.
 */
bool state_is(struct vcpu *vcpu, struct state *expected);

/* Makes an exception pending for the next entry. */
void state_inject(struct vcpu *vcpu, uint8_t vector, bool has_error_code, uint32_t error_code);

#endif
