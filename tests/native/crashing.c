/* A library that ends whoever loads it, as a driver for another processor does. */

#include <stdlib.h>

__attribute__((constructor)) static void crash(void) { abort(); }
