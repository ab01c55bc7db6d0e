/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From reset to main(), and exceptions. Register fields: Arm ARM DDI 0487, D13 (system registers);
 * GIC: Arm IHI 0069, 12.2.
 */

/* S3_op1_Cn_Cm_op2 where the assembler has no name without the GIC extension. */
#define ICC_SRE_EL2 S3_4_C12_C9_5

#define HCR_EL2_RW         (1 << 31)          /* EL1 is AArch64 */
#define CNTHCTL_EL1_TIMERS 3                  /* EL1PCTEN, EL1PCEN: counter and timer not trapped */
#define ICC_SRE_ENABLE     0xf                /* SRE, DFB, DIB, and EL1 may use system registers */
#define CPTR_EL2_RES1      0x33ff             /* no trap of floating point */
#define SCTLR_EL1_RES1     0x30d00800         /* MMU and caches off */
#define SPSR_EL1H_MASKED   0x3c5              /* EL1 with its own stack; D, A, I, F masked */
#define CPACR_FPEN         (3 << 20)          /* floating point at EL0 and EL1 */
#define STACK_PAINT        0x7374616b7374616b /* what stack that was never used reads as */

    .section .text.start, "ax"
    .global start
start:
    msr     daifset, #0xf
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.ne    in_el1

    /* EL2, with `virtualization=on`: leave it as it would be for a guest with everything. */
    mov     x0, #HCR_EL2_RW
    msr     hcr_el2, x0
    mov     x0, #CNTHCTL_EL1_TIMERS
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    mov     x0, #CPTR_EL2_RES1
    msr     cptr_el2, x0
    msr     hstr_el2, xzr
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mov     x0, #ICC_SRE_ENABLE
    msr     ICC_SRE_EL2, x0
    isb
    ldr     x0, =SCTLR_EL1_RES1
    msr     sctlr_el1, x0
    mov     x0, #SPSR_EL1H_MASKED
    msr     spsr_el2, x0
    adr     x0, in_el1
    msr     elr_el2, x0
    eret

in_el1:
    mov     x0, #CPACR_FPEN
    msr     cpacr_el1, x0
    adrp    x0, vectors
    add     x0, x0, :lo12:vectors
    msr     vbar_el1, x0
    isb

    /* No .data to copy: the loader has put it where it belongs. */
    ldr     x0, =bss_start
    ldr     x1, =bss_end
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    b       1b
2:
    ldr     x0, =stack_bottom
    ldr     x1, =stack_top
    ldr     x2, =STACK_PAINT
3:  stp     x2, x2, [x0], #16
    cmp     x0, x1
    b.lo    3b
    mov     sp, x1

    mov     x29, xzr
    bl      mmu_on
    bl      main
    b       .

/* ---- exceptions ------------------------------------------------------------------------------ */

/* One stack for everything: an interrupt runs on that of what it interrupts. Called functions keep
 * x19 to x29 and the low halves of v8 to v15; the rest is saved here. */
    .macro save
    sub     sp, sp, #688
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    stp     q0, q1, [sp, #176]
    stp     q2, q3, [sp, #208]
    stp     q4, q5, [sp, #240]
    stp     q6, q7, [sp, #272]
    stp     q8, q9, [sp, #304]
    stp     q10, q11, [sp, #336]
    stp     q12, q13, [sp, #368]
    stp     q14, q15, [sp, #400]
    stp     q16, q17, [sp, #432]
    stp     q18, q19, [sp, #464]
    stp     q20, q21, [sp, #496]
    stp     q22, q23, [sp, #528]
    stp     q24, q25, [sp, #560]
    stp     q26, q27, [sp, #592]
    stp     q28, q29, [sp, #624]
    stp     q30, q31, [sp, #656]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x0, x1, [sp, #160]
    .endm

    .macro restore
    ldp     x0, x1, [sp, #160]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     q0, q1, [sp, #176]
    ldp     q2, q3, [sp, #208]
    ldp     q4, q5, [sp, #240]
    ldp     q6, q7, [sp, #272]
    ldp     q8, q9, [sp, #304]
    ldp     q10, q11, [sp, #336]
    ldp     q12, q13, [sp, #368]
    ldp     q14, q15, [sp, #400]
    ldp     q16, q17, [sp, #432]
    ldp     q18, q19, [sp, #464]
    ldp     q20, q21, [sp, #496]
    ldp     q22, q23, [sp, #528]
    ldp     q24, q25, [sp, #560]
    ldp     q26, q27, [sp, #592]
    ldp     q28, q29, [sp, #624]
    ldp     q30, q31, [sp, #656]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    ldp     x0, x1, [sp, #0]
    add     sp, sp, #688
    .endm

on_irq:
    save
    bl      gic_dispatch
    restore
    eret

/* On a stack of its own: the cause may be the end of the other one. */
on_fault:
    ldr     x0, =fault_stack_top
    mov     sp, x0
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    bl      board_fault
    b       .

    .macro vector to
    .balign 0x80
    b       \to
    .endm

    .balign 0x800
vectors:
    .rept 4                     /* taken from EL1 with SP_EL0: not in use */
    vector  on_fault
    .endr
    vector  on_fault            /* from EL1: synchronous, IRQ, FIQ, SError */
    vector  on_irq
    vector  on_fault
    vector  on_fault
    .rept 8                     /* from EL0: not in use */
    vector  on_fault
    .endr

    .bss
    .balign 16
    .space  4096
fault_stack_top:
