// For any core: four loads for four multiplications, and the sums stay in registers.
#include "ml/native/ops/rows_by_two.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kUnrolled = 8;  // steps between two tests for the end

struct Dot {
  [[gnu::noinline]] static uint32_t one(const int8_t* w, const int8_t* x, uint32_t depth) {
    uint32_t sum = 0;
    for (; depth >= kUnrolled; depth -= kUnrolled, w += kUnrolled, x += kUnrolled) {
#pragma GCC unroll 8
      for (uint32_t k = 0; k < kUnrolled; ++k) sum += product(w[k], x[k]);
    }
    for (uint32_t k = 0; k < depth; ++k) sum += product(w[k], x[k]);
    return sum;
  }

  [[gnu::noinline]] static void two_by_two(const int8_t* w, const int8_t* x, uint32_t depth, uint32_t* first,
                                           uint32_t* second) {
    uint32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    const int8_t* w1 = w + depth;
    const int8_t* x1 = x + depth;
    const auto step = [&](uint32_t k) {
      const int32_t a0 = w[k], a1 = w1[k], b0 = x[k], b1 = x1[k];
      s00 += product(a0, b0);
      s01 += product(a0, b1);
      s10 += product(a1, b0);
      s11 += product(a1, b1);
    };
    for (; depth >= kUnrolled; depth -= kUnrolled, w += kUnrolled, w1 += kUnrolled, x += kUnrolled, x1 += kUnrolled) {
#pragma GCC unroll 8
      for (uint32_t k = 0; k < kUnrolled; ++k) step(k);
    }
    for (uint32_t k = 0; k < depth; ++k) step(k);
    first[0] = s00;
    first[1] = s10;
    second[0] = s01;
    second[1] = s11;
  }
};

}  // namespace

void multiply_columns(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y) {
  multiply_columns_by_two<Dot>(rows, x, columns, y);
}

}  // namespace edged::ml::native
