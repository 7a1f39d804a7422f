// For cores with MVE: 16 multiplications in one VMLADAVA, four rows by two columns at a time.
#include "ml/native/ops/finish_mve.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kLanes = 16;

// Four rows and one column; `count` of the rows are there.
inline void one_column(const Rows& rows, const int8_t* w, const int8_t* x, uint32_t row, uint32_t count, int8_t* y) {
  const uint32_t depth = rows.depth;
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  // Rows that are not there are the last one again: it is read instead of what follows it.
  const int8_t *w1 = w + (count > 1 ? depth : 0), *w2 = w1 + (count > 2 ? depth : 0),
               *w3 = w2 + (count > 3 ? depth : 0);
  for (uint32_t k = 0; k < depth; k += kLanes) {
    const mve_pred16_t valid = vctp8q(depth - k);
    const int8x16_t values = vldrbq_z_s8(x + k, valid);
    s0 = vmladavaq_s8(s0, vldrbq_z_s8(w + k, valid), values);
    s1 = vmladavaq_s8(s1, vldrbq_z_s8(w1 + k, valid), values);
    s2 = vmladavaq_s8(s2, vldrbq_z_s8(w2 + k, valid), values);
    s3 = vmladavaq_s8(s3, vldrbq_z_s8(w3 + k, valid), values);
  }
  const int32x4_t sums = {s0, s1, s2, s3};
  finish_four(rows.channels, sums, row, count, y);
}

inline void two_columns(const Rows& rows, const int8_t* w, const int8_t* x, uint32_t row, int8_t* y) {
  const uint32_t depth = rows.depth;
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
  const int8_t *w1 = w + depth, *w2 = w1 + depth, *w3 = w2 + depth, *x1 = x + depth;
  for (uint32_t k = 0; k < depth; k += kLanes) {
    const mve_pred16_t valid = vctp8q(depth - k);
    const int8x16_t values = vldrbq_z_s8(x + k, valid);
    const int8x16_t values1 = vldrbq_z_s8(x1 + k, valid);
    int8x16_t weights = vldrbq_z_s8(w + k, valid);
    s0 = vmladavaq_s8(s0, weights, values);
    t0 = vmladavaq_s8(t0, weights, values1);
    weights = vldrbq_z_s8(w1 + k, valid);
    s1 = vmladavaq_s8(s1, weights, values);
    t1 = vmladavaq_s8(t1, weights, values1);
    weights = vldrbq_z_s8(w2 + k, valid);
    s2 = vmladavaq_s8(s2, weights, values);
    t2 = vmladavaq_s8(t2, weights, values1);
    weights = vldrbq_z_s8(w3 + k, valid);
    s3 = vmladavaq_s8(s3, weights, values);
    t3 = vmladavaq_s8(t3, weights, values1);
  }
  const int32x4_t first = {s0, s1, s2, s3};
  const int32x4_t second = {t0, t1, t2, t3};
  finish_four(rows.channels, first, row, 4, y);
  finish_four(rows.channels, second, row, 4, y + rows.pitch);
}

}  // namespace

void multiply_columns(const Rows& of, const int8_t* x, uint32_t columns, int8_t* y) {
  const Rows rows = of;  // a copy: what is stored through y might change the caller's, as far as the compiler knows
  const uint32_t whole = rows.rows / 4 * 4;
  for (; columns != 0;) {
    const uint32_t now = columns < 2 ? 1 : 2;
    const int8_t* w = rows.weights;
    for (uint32_t row = 0; row < whole; row += 4, w += 4 * rows.depth) {
      if (now == 2) {
        two_columns(rows, w, x, row, y);
      } else {
        one_column(rows, w, x, row, 4, y);
      }
    }
    for (uint32_t column = 0; column < now && whole != rows.rows; ++column) {
      one_column(rows, w, x + column * rows.depth, whole, rows.rows - whole, y + column * rows.pitch);
    }
    columns -= now;
    x += now * rows.depth;
    y += now * rows.pitch;
  }
}

}  // namespace edged::ml::native
