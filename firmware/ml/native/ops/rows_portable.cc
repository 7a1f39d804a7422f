// Two rows by two columns at a time: four loads for four multiplications, and the sums stay in registers.
#include "ml/native/ops/finish.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kUnrolled = 8;  // steps between two tests for the end

uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a * b); }

[[gnu::noinline]] uint32_t dot(const int8_t* w, const int8_t* x, uint32_t depth) {
  uint32_t sum = 0;
  for (; depth >= kUnrolled; depth -= kUnrolled, w += kUnrolled, x += kUnrolled) {
#pragma GCC unroll 8
    for (uint32_t k = 0; k < kUnrolled; ++k) sum += product(w[k], x[k]);
  }
  for (uint32_t k = 0; k < depth; ++k) sum += product(w[k], x[k]);
  return sum;
}

// first, second: two sums each, of both rows, for the first and the second column.
[[gnu::noinline]] void dot_2x2(const int8_t* w, const int8_t* x, uint32_t depth, uint32_t* first, uint32_t* second) {
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

void two_columns(const Rows& rows, const int8_t* x, int8_t* y) {
  const int8_t* w = rows.weights;
  for (uint32_t row = 0; row < rows.rows; row += kRun) {
    const uint32_t count = rows.rows - row < kRun ? rows.rows - row : kRun;
    uint32_t sums[2][kRun];
    uint32_t i = 0;
    for (; i + 2 <= count; i += 2, w += 2 * rows.depth) dot_2x2(w, x, rows.depth, sums[0] + i, sums[1] + i);
    if (i < count) {
      sums[0][i] = dot(w, x, rows.depth);
      sums[1][i] = dot(w, x + rows.depth, rows.depth);
      w += rows.depth;
    }
    finish_run(rows.channels, sums[0], row, count, y + row);
    finish_run(rows.channels, sums[1], row, count, y + rows.pitch + row);
  }
}

}  // namespace

void multiply_columns(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y) {
  for (; columns >= 2; columns -= 2, x += 2 * rows.depth, y += 2 * rows.pitch) two_columns(rows, x, y);
  if (columns == 0) return;
  const int8_t* w = rows.weights;
  for (uint32_t row = 0; row < rows.rows; ++row, w += rows.depth) {
    y[row] = rows.channels.finish(dot(w, x, rows.depth), row);
  }
}

}  // namespace edged::ml::native
