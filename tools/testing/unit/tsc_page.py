#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the TSC page's arithmetic has to give, by numbers that have no limit: a table for tsc_page.c.

Rows: time TSC SCALE OFFSET RESULT; hz SCALE RESULT; ns TICKS HZ RESULT; behind BASE TICKS HZ NEW RESULT.
"""
import random

random.seed(20180112)  # any, but the same each time
LIMIT = 1 << 64
EDGES = (0, 1, 2, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, LIMIT - 1)
FREQUENCIES = (10_000_001, 100_000_000, 999_999_999, 1_497_600_000, 2_593_905_800, 5_000_000_000, 1_000_000_000_000)
SECOND = 1_000_000_000


def ns(ticks, hz):
    if ticks >= LIMIT // 2 or ticks >= hz << 32:
        return 0
    return ticks * SECOND // hz


def behind(base, ticks, hz, new):
    gap = (base + ns(ticks, hz) - new) % LIMIT
    return gap if gap <= SECOND else 0


def anything():
    return random.choice(EDGES) if random.random() < 0.2 else random.getrandbits(random.randint(1, 64))


for tsc in EDGES:
    for scale in EDGES:
        for offset in EDGES:
            print("time", tsc, scale, offset, ((tsc * scale >> 64) + offset) % LIMIT)
for _ in range(2000):
    tsc, scale, offset = anything(), anything(), anything()
    print("time", tsc, scale, offset, ((tsc * scale >> 64) + offset) % LIMIT)

for scale in [*EDGES, *(anything() for _ in range(500)), *((10_000_000 << 64) // hz for hz in FREQUENCIES)]:
    # A scale that would make more than 2^40 Hz is none.
    hz = (10_000_000 << 64) // scale if scale else LIMIT
    print("hz", scale, hz if scale >> 24 > 10_000_000 else 0)

for hz in FREQUENCIES:
    for ticks in [*EDGES, hz, (hz << 32) - 1, hz << 32, *(anything() for _ in range(100))]:
        ticks %= LIMIT
        print("ns", ticks, hz, ns(ticks, hz))
        base = anything()
        for off in (-2 * SECOND, -1, 0, 1, SECOND, SECOND + 1, anything()):
            new = (base + ns(ticks, hz) - off) % LIMIT
            print("behind", base, ticks, hz, new, behind(base, ticks, hz, new))
