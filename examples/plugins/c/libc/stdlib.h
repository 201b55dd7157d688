// The little of a C library that the generated bindings ask for (`libc.c`).
#pragma once
#include <stddef.h>
void *malloc(size_t size);
void *realloc(void *old, size_t size);
void free(void *pointer);
_Noreturn void abort(void);
