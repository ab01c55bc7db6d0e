# SPDX-License-Identifier: Apache-2.0
# clang and lld for 64-bit Arm without an operating system, with Debian's picolibc.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER clang)
set(CMAKE_ASM_COMPILER clang)
set(CMAKE_C_COMPILER_TARGET aarch64-none-elf)
set(CMAKE_ASM_COMPILER_TARGET aarch64-none-elf)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(PICOLIBC "/usr/lib/picolibc/aarch64-linux-gnu" CACHE PATH "where Debian's package has it")
