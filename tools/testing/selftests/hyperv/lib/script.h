/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * script.h: an L2 that does what a script says to CR8 and its local APIC.
 *
 * A script is a list of operations, each with an operand. L2 executes them with
 * interrupts on and logs what it reads and which interrupts it gets, where in the
 * script and in which order. The test makes the same steps in C, by the SDM's rules
 * for interrupt priority (vol. 3, "Local APIC: interrupt acceptance for fixed
 * interrupts" and "task priority"), and compares.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

enum script_op {
	SCRIPT_END,
	SCRIPT_SET_CR8,		/* above 15 it gives #GP, which is logged */
	SCRIPT_GET_CR8,
	SCRIPT_SET_TPR,		/* by MMIO, or by MSR 0x808; there #GP above 255 */
	SCRIPT_GET_TPR,
	SCRIPT_GET_PPR,
	SCRIPT_IPI,		/* to itself: the vector */
	SCRIPT_CPUID,		/* so many times: as many exits */
	SCRIPT_X2APIC,		/* switches the APIC to x2APIC mode */
	SCRIPT_APIC_OFF,	/* by software (SVR); the VMM switches it on again */
	/* Not operations, but entries of the log. */
	SCRIPT_INTERRUPT,	/* the vector */
	SCRIPT_IN_HANDLER,	/* PPR, before the end of interrupt */
	SCRIPT_RETURN,		/* from a handler: the vector */
	SCRIPT_GP
};

/*
 * What handlers do besides. SCRIPT_RAISE: as Windows does, raise CR8 to the
 * interrupt's class, end the interrupt, let others in, and put CR8 back.
 */
#define SCRIPT_RAISE	1
#define SCRIPT_READ_PPR	2

/* Operations in a script, and entries in its log. */
#define SCRIPT_MAX	254

struct script_step {
	uint64_t what, value;
};

/* The model: what L2's local APIC and L2's log must be. */
struct script_model {
	uint8_t tpr;
	bool x2apic;
	uint64_t pending[4];	/* IRR, bit by bit */
	unsigned int entries;
	struct script_step log[SCRIPT_MAX];
};

struct script {
	struct vm vm;
	struct vcpu vcpu;
	unsigned int flags;
	struct script_model model;
	unsigned int steps;	/* of the next run */
	struct script_step step[SCRIPT_MAX];
};

/* A new VM and vCPU, its APIC on, TPR 0 and nothing pending. */
void script_create(struct script *script, bool x2apic);
void script_destroy(struct script *script);

/* Adds a step to the next run. */
void script_add(struct script *script, enum script_op op, uint64_t value);

/*
 * Runs the steps added since the last run. True if L2's log and the APIC are as they
 * must be; else says what is different.
 */
bool script_run(struct script *script);

/* The VMM sends L2 an interrupt. */
void script_send(struct script *script, uint8_t vector);

/* The VMM writes L2's APIC: TPR, and what is pending, one of each class in @classes. */
void script_set_apic(struct script *script, uint8_t tpr, unsigned int classes);

/* A vector of class @class, from 1 to 15; another one for each of the next @n. */
uint8_t script_vector(unsigned int class, unsigned int n);

/* Saves the vCPU and its memory, destroys them, and goes on with new ones. */
void script_migrate(struct script *script);

/* An INIT from outside; then the VMM puts L2 back where it was. True if INIT reset the APIC. */
bool script_init(struct script *script);

#endif
