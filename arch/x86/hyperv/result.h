/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a hypercall returns, TLFS 3.8: the status in bits 15:0, and for a rep hypercall the
 * number of elements that are done, counted from the first of all, in bits 43:32.
 *
 * Pure logic: compiles in the kernel and on the host. Context: any.
 */
#ifndef HV_RESULT_H
#define HV_RESULT_H

#include <linux/errno.h>
#include <linux/types.h>

#define HV_REPS_SHIFT		32	/* in what a hypercall takes and in what it returns */
#define HV_REPS_MASK		0xfffull
#define HV_REP_START_SHIFT	48

/* The kernel's own, where there is no hypercall page */
#define HV_STATUS_NO_PAGE	0xffff

/**
 * hv_status_error() - a hypercall's status as an error of the kernel
 * @result: what the hypercall has returned
 *
 * Return: 0 for success; the error that says best who has to do what else; -EIO for what
 * says nothing about that, a status of a later Hyper-V included.
 */
static inline int hv_status_error(u64 result)
{
	const u16 status = result;

	if (!status)	/* HV_STATUS_SUCCESS */
		return 0;
	switch (status) {
	case 2:		/* HV_STATUS_INVALID_HYPERCALL_CODE */
		return -EOPNOTSUPP;
	case 3:		/* HV_STATUS_INVALID_HYPERCALL_INPUT */
	case 4:		/* HV_STATUS_INVALID_ALIGNMENT */
	case 5:		/* HV_STATUS_INVALID_PARAMETER */
		return -EINVAL;
	case 6:		/* HV_STATUS_ACCESS_DENIED */
		return -EACCES;
	case 8:		/* HV_STATUS_OPERATION_DENIED */
		return -EPERM;
	case 11:	/* HV_STATUS_INSUFFICIENT_MEMORY */
		return -ENOMEM;
	case 19:	/* HV_STATUS_INSUFFICIENT_BUFFERS */
		return -ENOBUFS;
	case 120:	/* HV_STATUS_TIME_OUT */
		return -ETIMEDOUT;
	case HV_STATUS_NO_PAGE:
		return -ENODEV;
	default:
		return -EIO;
	}
}

/**
 * hv_rep_control() - what a rep hypercall takes
 * @code:  HVCALL_...
 * @reps:  number of elements, at least 1, at most 4095
 * @start: the first that is not done
 */
static inline u64 hv_rep_control(u16 code, u16 reps, u16 start)
{
	return code | (u64)reps << HV_REPS_SHIFT | (u64)start << HV_REP_START_SHIFT;
}

/**
 * hv_rep_next() - how does a rep hypercall go on?
 * @result: what it has returned
 * @reps:   number of elements
 * @start:  where it began this time
 *
 * TLFS 3.3: Hyper-V may return before all are done, so that the processor can take interrupts.
 *
 * Return: the element to go on with; 0 if all are done; an error if it has failed, or has
 * done nothing and would go on so for ever.
 */
static inline int hv_rep_next(u64 result, u16 reps, u16 start)
{
	u16 done = result >> HV_REPS_SHIFT & HV_REPS_MASK;
	int error = hv_status_error(result);

	if (error)
		return error;
	if (done >= reps)
		return 0;
	return done > start ? done : -EIO;
}

#endif
