// The little of a C library that the generated bindings ask for (`libc.c`).
#pragma once
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t length);
int memcmp(const void *one, const void *other, size_t length);
size_t strlen(const char *text);
