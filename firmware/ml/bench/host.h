// What the emulator does for the program, by semihosting.
#pragma once

#include <cstdint>

namespace edged::ml::bench {

namespace detail {

enum : uint32_t { kWrite0 = 0x04, kExit = 0x18, kStopped = 0x20026, kFailed = 0x20023 };

inline void call(uint32_t operation, uint32_t argument) {
  register uint32_t r0 __asm("r0") = operation;
  register uint32_t r1 __asm("r1") = argument;
  __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

}  // namespace detail

inline void print(const char* text) {
  detail::call(detail::kWrite0, static_cast<uint32_t>(reinterpret_cast<uintptr_t>(text)));
}

inline void print(uint32_t number) {
  char digits[12];
  char* at = digits + sizeof(digits);
  *--at = 0;
  do {
    *--at = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  print(static_cast<const char*>(at));
}

[[noreturn]] inline void exit(int code) {
  detail::call(detail::kExit, code == 0 ? detail::kStopped : detail::kFailed);
  for (;;) {
  }
}

}  // namespace edged::ml::bench
