/* SPDX-License-Identifier: GPL-2.0-only */
/* kmod.h: loads and unloads KVM's modules, in the rig's L1. */
#ifndef KMOD_H
#define KMOD_H

#define KMOD_DIR	"/mods"

/* Loads KMOD_DIR/@module.ko; one that is there already is none to load. */
void kmod_load(const char *module, const char *parameters);

/* Waits a moment if the module is still in use; one that is not there is none to unload. */
void kmod_unload(const char *module);

#endif
