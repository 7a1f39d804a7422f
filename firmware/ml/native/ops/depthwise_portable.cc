// For any core.
#include "ml/native/ops/depthwise_by_four.h"

namespace edged::ml::native {
namespace {

struct Dot {
  using Sum = uint32_t;

  static void each(const int8_t* x, const int8_t* w, Sum& s0, Sum& s1, Sum& s2, Sum& s3) {
    s0 += product(x[0], w[0]);
    s1 += product(x[1], w[1]);
    s2 += product(x[2], w[2]);
    s3 += product(x[3], w[3]);
  }

  static void same(int32_t x, const int8_t* w, Sum& s0, Sum& s1, Sum& s2, Sum& s3) {
    s0 += product(x, w[0]);
    s1 += product(x, w[1]);
    s2 += product(x, w[2]);
    s3 += product(x, w[3]);
  }
};

}  // namespace

void multiply_taps(const Depthwise& depthwise, const int8_t* const* pixels, int8_t* to) {
  multiply_taps_by_four<Dot>(depthwise, pixels, to);
}

}  // namespace edged::ml::native
