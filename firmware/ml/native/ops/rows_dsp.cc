// For cores with the DSP extension: SMLAD multiplies and adds two pairs. Bytes 0 and 2 of weights meet bytes 0 and 2 of
// values, then 1 and 3 likewise: nothing has to be put into order.
#include "ml/native/ops/dsp.h"
#include "ml/native/ops/rows_by_two.h"

namespace edged::ml::native {
namespace {

inline int32_t accumulate(Pairs a, Pairs b, int32_t sum) { return __smlad(a.odd, b.odd, __smlad(a.even, b.even, sum)); }

struct Dot {
  [[gnu::noinline]] static uint32_t one(const int8_t* w, const int8_t* x, uint32_t depth) {
    int32_t sum = 0;
    for (; depth >= 4; depth -= 4, w += 4, x += 4) sum = accumulate(pairs(w), pairs(x), sum);
    for (; depth != 0; --depth) sum = __smlabb(*w++, *x++, sum);
    return static_cast<uint32_t>(sum);
  }

  // The second row and column are reached by adding the depth: a register less than a pointer of its own.
  [[gnu::noinline]] static void two_by_two(const int8_t* w, const int8_t* x, uint32_t depth, uint32_t* first,
                                           uint32_t* second) {
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
};

}  // namespace

void multiply_columns(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y) {
  multiply_columns_by_two<Dot>(rows, x, columns, y);
}

}  // namespace edged::ml::native
