// Four int8 of a word as two pairs of int16, as the DSP extension multiplies them.
#pragma once

#include <arm_acle.h>

#include <cstring>

namespace edged::ml::native {

struct Pairs {
  int16x2_t even;  // of bytes 0 and 2
  int16x2_t odd;   // of bytes 1 and 3
};

inline Pairs pairs(const int8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  // The instruction rotates for nothing, which the compiler does not know.
  int16x2_t odd;
  __asm("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(word));
  return {__sxtb16(word), odd};
}

}  // namespace edged::ml::native
