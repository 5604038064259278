/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of the enlightened VMCS, one a row, in the order of the structure:
 *
 *	EVMCS_FIELD(VMCS encoding, offset, bytes, clean field group, member of
 *		    the kernel's struct hv_enlightened_vmcs)
 *
 * Define EVMCS_FIELD and include this file; it is undefined at the end.
 */
#ifndef EVMCS_FIELD
#error "define EVMCS_FIELD before including this file"
#endif

/*
 * The TLFS's mapping table.
 *
 * Host IA32_SYSENTER_CS: the TLFS prints encoding 0x6c16 beside it, which in
 * the SDM is the host's RIP; the SDM's own 0x4c00 is used here.
 *
 * Tertiary controls are a later addition to the structure; KVM never enables
 * any of them on an enlightened VMCS (controls.c), so nobody writes this field.
 */
EVMCS_FIELD(0x0c00, 0x008, 2, HOST_GRP1,     host_es_selector)
EVMCS_FIELD(0x0c02, 0x00a, 2, HOST_GRP1,     host_cs_selector)
EVMCS_FIELD(0x0c04, 0x00c, 2, HOST_GRP1,     host_ss_selector)
EVMCS_FIELD(0x0c06, 0x00e, 2, HOST_GRP1,     host_ds_selector)
EVMCS_FIELD(0x0c08, 0x010, 2, HOST_GRP1,     host_fs_selector)
EVMCS_FIELD(0x0c0a, 0x012, 2, HOST_GRP1,     host_gs_selector)
EVMCS_FIELD(0x0c0c, 0x014, 2, HOST_GRP1,     host_tr_selector)
EVMCS_FIELD(0x2c00, 0x018, 8, HOST_GRP1,     host_ia32_pat)
EVMCS_FIELD(0x2c02, 0x020, 8, HOST_GRP1,     host_ia32_efer)
EVMCS_FIELD(0x6c00, 0x028, 8, HOST_GRP1,     host_cr0)
EVMCS_FIELD(0x6c02, 0x030, 8, HOST_GRP1,     host_cr3)
EVMCS_FIELD(0x6c04, 0x038, 8, HOST_GRP1,     host_cr4)
EVMCS_FIELD(0x6c10, 0x040, 8, HOST_GRP1,     host_ia32_sysenter_esp)
EVMCS_FIELD(0x6c12, 0x048, 8, HOST_GRP1,     host_ia32_sysenter_eip)
EVMCS_FIELD(0x4c00, 0x058, 4, HOST_GRP1,     host_ia32_sysenter_cs)
EVMCS_FIELD(0x4000, 0x05c, 4, CONTROL_GRP1,  pin_based_vm_exec_control)
EVMCS_FIELD(0x400c, 0x060, 4, CONTROL_GRP1,  vm_exit_controls)
EVMCS_FIELD(0x401e, 0x064, 4, CONTROL_GRP1,  secondary_vm_exec_control)
EVMCS_FIELD(0x2000, 0x068, 8, IO_BITMAP,     io_bitmap_a)
EVMCS_FIELD(0x2002, 0x070, 8, IO_BITMAP,     io_bitmap_b)
EVMCS_FIELD(0x2004, 0x078, 8, MSR_BITMAP,    msr_bitmap)
EVMCS_FIELD(0x0800, 0x080, 2, GUEST_GRP2,    guest_es_selector)
EVMCS_FIELD(0x0802, 0x082, 2, GUEST_GRP2,    guest_cs_selector)
EVMCS_FIELD(0x0804, 0x084, 2, GUEST_GRP2,    guest_ss_selector)
EVMCS_FIELD(0x0806, 0x086, 2, GUEST_GRP2,    guest_ds_selector)
EVMCS_FIELD(0x0808, 0x088, 2, GUEST_GRP2,    guest_fs_selector)
EVMCS_FIELD(0x080a, 0x08a, 2, GUEST_GRP2,    guest_gs_selector)
EVMCS_FIELD(0x080c, 0x08c, 2, GUEST_GRP2,    guest_ldtr_selector)
EVMCS_FIELD(0x080e, 0x08e, 2, GUEST_GRP2,    guest_tr_selector)
EVMCS_FIELD(0x4800, 0x090, 4, GUEST_GRP2,    guest_es_limit)
EVMCS_FIELD(0x4802, 0x094, 4, GUEST_GRP2,    guest_cs_limit)
EVMCS_FIELD(0x4804, 0x098, 4, GUEST_GRP2,    guest_ss_limit)
EVMCS_FIELD(0x4806, 0x09c, 4, GUEST_GRP2,    guest_ds_limit)
EVMCS_FIELD(0x4808, 0x0a0, 4, GUEST_GRP2,    guest_fs_limit)
EVMCS_FIELD(0x480a, 0x0a4, 4, GUEST_GRP2,    guest_gs_limit)
EVMCS_FIELD(0x480c, 0x0a8, 4, GUEST_GRP2,    guest_ldtr_limit)
EVMCS_FIELD(0x480e, 0x0ac, 4, GUEST_GRP2,    guest_tr_limit)
EVMCS_FIELD(0x4810, 0x0b0, 4, GUEST_GRP2,    guest_gdtr_limit)
EVMCS_FIELD(0x4812, 0x0b4, 4, GUEST_GRP2,    guest_idtr_limit)
EVMCS_FIELD(0x4814, 0x0b8, 4, GUEST_GRP2,    guest_es_ar_bytes)
EVMCS_FIELD(0x4816, 0x0bc, 4, GUEST_GRP2,    guest_cs_ar_bytes)
EVMCS_FIELD(0x4818, 0x0c0, 4, GUEST_GRP2,    guest_ss_ar_bytes)
EVMCS_FIELD(0x481a, 0x0c4, 4, GUEST_GRP2,    guest_ds_ar_bytes)
EVMCS_FIELD(0x481c, 0x0c8, 4, GUEST_GRP2,    guest_fs_ar_bytes)
EVMCS_FIELD(0x481e, 0x0cc, 4, GUEST_GRP2,    guest_gs_ar_bytes)
EVMCS_FIELD(0x4820, 0x0d0, 4, GUEST_GRP2,    guest_ldtr_ar_bytes)
EVMCS_FIELD(0x4822, 0x0d4, 4, GUEST_GRP2,    guest_tr_ar_bytes)
EVMCS_FIELD(0x6806, 0x0d8, 8, GUEST_GRP2,    guest_es_base)
EVMCS_FIELD(0x6808, 0x0e0, 8, GUEST_GRP2,    guest_cs_base)
EVMCS_FIELD(0x680a, 0x0e8, 8, GUEST_GRP2,    guest_ss_base)
EVMCS_FIELD(0x680c, 0x0f0, 8, GUEST_GRP2,    guest_ds_base)
EVMCS_FIELD(0x680e, 0x0f8, 8, GUEST_GRP2,    guest_fs_base)
EVMCS_FIELD(0x6810, 0x100, 8, GUEST_GRP2,    guest_gs_base)
EVMCS_FIELD(0x6812, 0x108, 8, GUEST_GRP2,    guest_ldtr_base)
EVMCS_FIELD(0x6814, 0x110, 8, GUEST_GRP2,    guest_tr_base)
EVMCS_FIELD(0x6816, 0x118, 8, GUEST_GRP2,    guest_gdtr_base)
EVMCS_FIELD(0x6818, 0x120, 8, GUEST_GRP2,    guest_idtr_base)
EVMCS_FIELD(0x2010, 0x190, 8, CONTROL_GRP2,  tsc_offset)
EVMCS_FIELD(0x2012, 0x198, 8, CONTROL_GRP2,  virtual_apic_page_addr)
EVMCS_FIELD(0x2800, 0x1a0, 8, GUEST_GRP1,    vmcs_link_pointer)
EVMCS_FIELD(0x2802, 0x1a8, 8, GUEST_GRP1,    guest_ia32_debugctl)
EVMCS_FIELD(0x2804, 0x1b0, 8, GUEST_GRP1,    guest_ia32_pat)
EVMCS_FIELD(0x2806, 0x1b8, 8, GUEST_GRP1,    guest_ia32_efer)
EVMCS_FIELD(0x280a, 0x1c0, 8, GUEST_GRP1,    guest_pdptr0)
EVMCS_FIELD(0x280c, 0x1c8, 8, GUEST_GRP1,    guest_pdptr1)
EVMCS_FIELD(0x280e, 0x1d0, 8, GUEST_GRP1,    guest_pdptr2)
EVMCS_FIELD(0x2810, 0x1d8, 8, GUEST_GRP1,    guest_pdptr3)
EVMCS_FIELD(0x6822, 0x1e0, 8, GUEST_GRP1,    guest_pending_dbg_exceptions)
EVMCS_FIELD(0x6824, 0x1e8, 8, GUEST_GRP1,    guest_sysenter_esp)
EVMCS_FIELD(0x6826, 0x1f0, 8, GUEST_GRP1,    guest_sysenter_eip)
EVMCS_FIELD(0x4826, 0x1f8, 4, GUEST_GRP1,    guest_activity_state)
EVMCS_FIELD(0x482a, 0x1fc, 4, GUEST_GRP1,    guest_sysenter_cs)
EVMCS_FIELD(0x6000, 0x200, 8, CRDR,          cr0_guest_host_mask)
EVMCS_FIELD(0x6002, 0x208, 8, CRDR,          cr4_guest_host_mask)
EVMCS_FIELD(0x6004, 0x210, 8, CRDR,          cr0_read_shadow)
EVMCS_FIELD(0x6006, 0x218, 8, CRDR,          cr4_read_shadow)
EVMCS_FIELD(0x6800, 0x220, 8, CRDR,          guest_cr0)
EVMCS_FIELD(0x6802, 0x228, 8, CRDR,          guest_cr3)
EVMCS_FIELD(0x6804, 0x230, 8, CRDR,          guest_cr4)
EVMCS_FIELD(0x681a, 0x238, 8, CRDR,          guest_dr7)
EVMCS_FIELD(0x6c06, 0x240, 8, HOST_POINTER,  host_fs_base)
EVMCS_FIELD(0x6c08, 0x248, 8, HOST_POINTER,  host_gs_base)
EVMCS_FIELD(0x6c0a, 0x250, 8, HOST_POINTER,  host_tr_base)
EVMCS_FIELD(0x6c0c, 0x258, 8, HOST_POINTER,  host_gdtr_base)
EVMCS_FIELD(0x6c0e, 0x260, 8, HOST_POINTER,  host_idtr_base)
EVMCS_FIELD(0x6c14, 0x268, 8, HOST_POINTER,  host_rsp)
EVMCS_FIELD(0x201a, 0x270, 8, CONTROL_XLAT,  ept_pointer)
EVMCS_FIELD(0x0000, 0x278, 2, CONTROL_XLAT,  virtual_processor_id)
EVMCS_FIELD(0x2400, 0x2a8, 8, READ_ONLY,     guest_physical_address)
EVMCS_FIELD(0x4400, 0x2b0, 4, READ_ONLY,     vm_instruction_error)
EVMCS_FIELD(0x4402, 0x2b4, 4, READ_ONLY,     vm_exit_reason)
EVMCS_FIELD(0x4404, 0x2b8, 4, READ_ONLY,     vm_exit_intr_info)
EVMCS_FIELD(0x4406, 0x2bc, 4, READ_ONLY,     vm_exit_intr_error_code)
EVMCS_FIELD(0x4408, 0x2c0, 4, READ_ONLY,     idt_vectoring_info_field)
EVMCS_FIELD(0x440a, 0x2c4, 4, READ_ONLY,     idt_vectoring_error_code)
EVMCS_FIELD(0x440c, 0x2c8, 4, READ_ONLY,     vm_exit_instruction_len)
EVMCS_FIELD(0x440e, 0x2cc, 4, READ_ONLY,     vmx_instruction_info)
EVMCS_FIELD(0x6400, 0x2d0, 8, READ_ONLY,     exit_qualification)
EVMCS_FIELD(0x6402, 0x2d8, 8, READ_ONLY,     exit_io_instruction_ecx)
EVMCS_FIELD(0x6404, 0x2e0, 8, READ_ONLY,     exit_io_instruction_esi)
EVMCS_FIELD(0x6406, 0x2e8, 8, READ_ONLY,     exit_io_instruction_edi)
EVMCS_FIELD(0x6408, 0x2f0, 8, READ_ONLY,     exit_io_instruction_eip)
EVMCS_FIELD(0x640a, 0x2f8, 8, READ_ONLY,     guest_linear_address)
EVMCS_FIELD(0x681c, 0x300, 8, GUEST_BASIC,   guest_rsp)
EVMCS_FIELD(0x6820, 0x308, 8, GUEST_BASIC,   guest_rflags)
EVMCS_FIELD(0x4824, 0x310, 4, GUEST_BASIC,   guest_interruptibility_info)
EVMCS_FIELD(0x4002, 0x314, 4, CONTROL_PROC,  cpu_based_vm_exec_control)
EVMCS_FIELD(0x4004, 0x318, 4, CONTROL_EXCPN, exception_bitmap)
EVMCS_FIELD(0x4012, 0x31c, 4, CONTROL_ENTRY, vm_entry_controls)
EVMCS_FIELD(0x4016, 0x320, 4, CONTROL_EVENT, vm_entry_intr_info_field)
EVMCS_FIELD(0x4018, 0x324, 4, CONTROL_EVENT, vm_entry_exception_error_code)
EVMCS_FIELD(0x401a, 0x328, 4, CONTROL_EVENT, vm_entry_instruction_len)
EVMCS_FIELD(0x401c, 0x32c, 4, NONE,          tpr_threshold)
EVMCS_FIELD(0x681e, 0x330, 8, NONE,          guest_rip)
EVMCS_FIELD(0x2812, 0x380, 8, GUEST_GRP1,    guest_bndcfgs)
EVMCS_FIELD(0x2808, 0x388, 8, GUEST_GRP1,    guest_ia32_perf_global_ctrl)
EVMCS_FIELD(0x6828, 0x390, 8, GUEST_GRP1,    guest_ia32_s_cet)
EVMCS_FIELD(0x682a, 0x398, 8, GUEST_BASIC,   guest_ssp)
EVMCS_FIELD(0x682c, 0x3a0, 8, GUEST_GRP1,    guest_ia32_int_ssp_table_addr)
EVMCS_FIELD(0x2816, 0x3a8, 8, GUEST_GRP1,    guest_ia32_lbr_ctl)
EVMCS_FIELD(0x202c, 0x3c0, 8, CONTROL_GRP2,  xss_exit_bitmap)
EVMCS_FIELD(0x202e, 0x3c8, 8, CONTROL_GRP2,  encls_exiting_bitmap)
EVMCS_FIELD(0x2c04, 0x3d0, 8, HOST_GRP1,     host_ia32_perf_global_ctrl)
EVMCS_FIELD(0x2032, 0x3d8, 8, CONTROL_GRP2,  tsc_multiplier)
EVMCS_FIELD(0x6c18, 0x3e0, 8, HOST_GRP1,     host_ia32_s_cet)
EVMCS_FIELD(0x6c1a, 0x3e8, 8, HOST_GRP1,     host_ssp)
EVMCS_FIELD(0x6c1c, 0x3f0, 8, HOST_GRP1,     host_ia32_int_ssp_table_addr)
EVMCS_FIELD(0x2034, 0x3f8, 8, CONTROL_GRP1,  padding64_6)

/*
 * Fields of the structure for which the TLFS has no row, with the group that
 * we give them.
 *
 * Host RIP stands in the structure among the host's other registers, and its
 * encoding is the one that the TLFS prints in HOST_GRP1 (see above).
 *
 * For the rest nothing says which group makes L0 read them again, so a change
 * dirties every group. That is dear only for what changes often, and KVM
 * rewrites these with the same value nearly always, which dirties nothing.
 */
EVMCS_FIELD(0x6c16, 0x050, 8, HOST_GRP1,     host_rip)
EVMCS_FIELD(0x2006, 0x140, 8, ALL,           vm_exit_msr_store_addr)
EVMCS_FIELD(0x2008, 0x148, 8, ALL,           vm_exit_msr_load_addr)
EVMCS_FIELD(0x200a, 0x150, 8, ALL,           vm_entry_msr_load_addr)
EVMCS_FIELD(0x6008, 0x158, 8, ALL,           cr3_target_value0)
EVMCS_FIELD(0x600a, 0x160, 8, ALL,           cr3_target_value1)
EVMCS_FIELD(0x600c, 0x168, 8, ALL,           cr3_target_value2)
EVMCS_FIELD(0x600e, 0x170, 8, ALL,           cr3_target_value3)
EVMCS_FIELD(0x4006, 0x178, 4, ALL,           page_fault_error_code_mask)
EVMCS_FIELD(0x4008, 0x17c, 4, ALL,           page_fault_error_code_match)
EVMCS_FIELD(0x400a, 0x180, 4, ALL,           cr3_target_count)
EVMCS_FIELD(0x400e, 0x184, 4, ALL,           vm_exit_msr_store_count)
EVMCS_FIELD(0x4010, 0x188, 4, ALL,           vm_exit_msr_load_count)
EVMCS_FIELD(0x4014, 0x18c, 4, ALL,           vm_entry_msr_load_count)

#undef EVMCS_FIELD
