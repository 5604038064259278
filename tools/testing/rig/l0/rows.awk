# SPDX-License-Identifier: GPL-2.0-only
#
# Turns the TLFS's list of eVMCS members into one L0_FIELD(name, offset, bytes,
# group) for each that a clean field group covers. Members are aligned naturally.
BEGIN { FS = "\t" }
/^#/ { next }
{ offset = int((offset + $2 - 1) / $2) * $2 }
$4 != "-" && $4 != "NONE" && $4 != "READ_ONLY" {
	printf "L0_FIELD(%s, 0x%03x, %d, %s)\n", $1, offset, $2, $4
}
{ offset += $2 }
