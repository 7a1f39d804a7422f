// TFLM calls abort() where an assumption of its own does not hold. The C library's brings signals and a heap with it; a
// board has neither, and takes it for a fault like any other: it is noted, and the board starts again.
extern "C" [[noreturn]] void abort() { __builtin_trap(); }
