// For cores with the DSP extension: SMLAD multiplies and adds two pairs. Bytes 0 and 2 of weights meet bytes 0 and 2 of
// values, then 1 and 3 likewise: nothing has to be put into order.
#include "ml/native/ops/dsp.h"
#include "ml/native/ops/finish.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

inline int32_t accumulate(Pairs a, Pairs b, int32_t sum) { return __smlad(a.odd, b.odd, __smlad(a.even, b.even, sum)); }

[[gnu::noinline]] uint32_t dot(const int8_t* w, const int8_t* x, uint32_t depth) {
  int32_t sum = 0;
  for (; depth >= 4; depth -= 4, w += 4, x += 4) sum = accumulate(pairs(w), pairs(x), sum);
  for (; depth != 0; --depth) sum = __smlabb(*w++, *x++, sum);
  return static_cast<uint32_t>(sum);
}

// first, second: two sums each, of both rows, for the first and the second column. The second of each is reached by
// adding the depth: a register less than a pointer of its own.
[[gnu::noinline]] void dot_2x2(const int8_t* w, const int8_t* x, uint32_t depth, uint32_t* first, uint32_t* second) {
  int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
  const int8_t* end = w + depth / 4 * 4;
  while (w != end) {
    const Pairs a0 = pairs(w), a1 = pairs(w + depth), b0 = pairs(x), b1 = pairs(x + depth);
    w += 4;
    x += 4;
    s00 = accumulate(a0, b0, s00);
    s10 = accumulate(a1, b0, s10);
    s01 = accumulate(a0, b1, s01);
    s11 = accumulate(a1, b1, s11);
  }
  for (uint32_t left = depth % 4; left != 0; --left, ++w, ++x) {
    s00 = __smlabb(w[0], x[0], s00);
    s10 = __smlabb(w[depth], x[0], s10);
    s01 = __smlabb(w[0], x[depth], s01);
    s11 = __smlabb(w[depth], x[depth], s11);
  }
  first[0] = static_cast<uint32_t>(s00);
  first[1] = static_cast<uint32_t>(s10);
  second[0] = static_cast<uint32_t>(s01);
  second[1] = static_cast<uint32_t>(s11);
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
