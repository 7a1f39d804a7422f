// For cores with the DSP extension: four channels in a word; SMLABB and SMLATT multiply them one by one.
#include "ml/native/ops/depthwise_by_four.h"
#include "ml/native/ops/dsp.h"

namespace edged::ml::native {
namespace {

struct Dot {
  using Sum = int32_t;

  static void each(const int8_t* x, const int8_t* w, Sum& s0, Sum& s1, Sum& s2, Sum& s3) {
    const Pairs a = pairs(x), b = pairs(w);
    s0 = __smlabb(a.even, b.even, s0);
    s2 = __smlatt(a.even, b.even, s2);
    s1 = __smlabb(a.odd, b.odd, s1);
    s3 = __smlatt(a.odd, b.odd, s3);
  }

  static void same(int32_t x, const int8_t* w, Sum& s0, Sum& s1, Sum& s2, Sum& s3) {
    const Pairs b = pairs(w);
    s0 = __smlabb(x, b.even, s0);
    s2 = __smlabt(x, b.even, s2);
    s1 = __smlabb(x, b.odd, s1);
    s3 = __smlabt(x, b.odd, s3);
  }
};

}  // namespace

void multiply_taps(const Depthwise& depthwise, const int8_t* const* pixels, int8_t* to) {
  multiply_taps_by_four<Dot>(depthwise, pixels, to);
}

}  // namespace edged::ml::native
