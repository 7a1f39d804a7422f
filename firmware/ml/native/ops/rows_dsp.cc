// For cores with the DSP extension: a word holds four int8, SXTB16 takes two of them to int16, SMLAD multiplies and
// adds two pairs. Bytes 0 and 2 of weights meet bytes 0 and 2 of values, then 1 and 3 likewise: nothing is put into
// order.
#include <arm_acle.h>

#include <cstring>

#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

int32_t load(const int8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

struct Pairs {
  int16x2_t even;
  int16x2_t odd;
};

inline Pairs pairs(const int8_t* from) {
  const int32_t word = load(from);
  return {__sxtb16(word), __sxtb16(word >> 8)};
}

inline int32_t accumulate(Pairs a, Pairs b, int32_t sum) { return __smlad(a.odd, b.odd, __smlad(a.even, b.even, sum)); }

int32_t dot(const int8_t* w, const int8_t* x, uint32_t depth) {
  int32_t sum = 0;
  const int8_t* end = w + depth;
  for (; end - w >= 4; w += 4, x += 4) sum = accumulate(pairs(w), pairs(x), sum);
  for (; w != end; ++w, ++x) sum = __smlabb(*w, *x, sum);
  return sum;
}

void two_columns(const Rows& rows, const int8_t* x, int8_t* y) {
  const uint32_t depth = rows.depth;
  const int8_t* w = rows.weights;
  uint32_t row = 0;
  for (; row + 2 <= rows.rows; row += 2, w += depth) {
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    const int8_t *w1 = w + depth, *x0 = x, *x1 = x + depth;
    uint32_t left = depth;
    for (; left >= 4; left -= 4, w += 4, w1 += 4, x0 += 4, x1 += 4) {
      const Pairs a0 = pairs(w), a1 = pairs(w1), b0 = pairs(x0);
      s00 = accumulate(a0, b0, s00);
      s10 = accumulate(a1, b0, s10);
      const Pairs b1 = pairs(x1);
      s01 = accumulate(a0, b1, s01);
      s11 = accumulate(a1, b1, s11);
    }
    for (; left != 0; --left, ++w, ++w1, ++x0, ++x1) {
      s00 = __smlabb(*w, *x0, s00);
      s10 = __smlabb(*w1, *x0, s10);
      s01 = __smlabb(*w, *x1, s01);
      s11 = __smlabb(*w1, *x1, s11);
    }
    int8_t* second = y + rows.pitch;
    y[row] = rows.channels.finish(static_cast<uint32_t>(s00), row);
    y[row + 1] = rows.channels.finish(static_cast<uint32_t>(s10), row + 1);
    second[row] = rows.channels.finish(static_cast<uint32_t>(s01), row);
    second[row + 1] = rows.channels.finish(static_cast<uint32_t>(s11), row + 1);
  }
  if (row < rows.rows) {
    y[row] = rows.channels.finish(static_cast<uint32_t>(dot(w, x, depth)), row);
    y[rows.pitch + row] = rows.channels.finish(static_cast<uint32_t>(dot(w, x + depth, depth)), row);
  }
}

}  // namespace

void multiply_columns(const Rows& of, const int8_t* x, uint32_t columns, int8_t* y) {
  const Rows rows = of;  // a copy: what is stored through y might change the caller's, as far as the compiler knows
  for (; columns >= 2; columns -= 2, x += 2 * rows.depth, y += 2 * rows.pitch) two_columns(rows, x, y);
  if (columns == 0) return;
  const int8_t* w = rows.weights;
  for (uint32_t row = 0; row < rows.rows; ++row, w += rows.depth) {
    y[row] = rows.channels.finish(static_cast<uint32_t>(dot(w, x, rows.depth)), row);
  }
}

}  // namespace edged::ml::native
