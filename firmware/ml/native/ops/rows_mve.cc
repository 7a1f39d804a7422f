// For cores with MVE: 16 multiplications in one VMLADAVA, four rows by two columns at a time.
#include "ml/native/ops/finish_mve.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kLanes = 16;
constexpr uint32_t kRows = 4;  // whose sums fill a vector of int32

// Sums of four rows with one column each.
struct Sums {
  int32_t of[kRows] = {};
  [[nodiscard]] int32x4_t vector() const { return int32x4_t{of[0], of[1], of[2], of[3]}; }
};

// The next 16 values of four rows and two columns. Every vector is whole, or all are cut off alike.
template <bool kWhole>
inline void step(const int8_t* const (&w)[kRows], const int8_t* x0, const int8_t* x1, uint32_t k, mve_pred16_t valid,
                 Sums& first, Sums& second) {
  const auto load = [k, valid](const int8_t* from) {
    return kWhole ? vldrbq_s8(from + k) : vldrbq_z_s8(from + k, valid);
  };
  const int8x16_t values0 = load(x0), values1 = load(x1);
#pragma GCC unroll 4
  for (uint32_t row = 0; row < kRows; ++row) {
    const int8x16_t weights = load(w[row]);
    first.of[row] = vmladavaq_s8(first.of[row], weights, values0);
    second.of[row] = vmladavaq_s8(second.of[row], weights, values1);
  }
}

// `count` of the four rows are there. Rows that are not are the last one again: it is read instead of what follows it.
inline void four_rows(const Rows& rows, const int8_t* at, const int8_t* x0, const int8_t* x1, uint32_t count,
                      Sums& first, Sums& second) {
  const uint32_t depth = rows.depth;
  const int8_t* w[kRows];
#pragma GCC unroll 4
  for (uint32_t row = 0; row < kRows; ++row) w[row] = at + (row < count ? row : count - 1) * depth;
  uint32_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) step<true>(w, x0, x1, k, 0, first, second);
  if (k < depth) step<false>(w, x0, x1, k, vctp8q(depth - k), first, second);
}

}  // namespace

void multiply_columns(const Rows& of, const int8_t* x, uint32_t columns, int8_t* y) {
  const Rows rows = of;  // a copy: what is stored through y might change the caller's, as far as the compiler knows
  while (columns != 0) {
    const bool two = columns >= 2;
    const int8_t* second_x = two ? x + rows.depth : x;
    for (uint32_t row = 0; row < rows.rows; row += kRows) {
      const uint32_t count = rows.rows - row < kRows ? rows.rows - row : kRows;
      Sums first, second;
      four_rows(rows, rows.weights + row * rows.depth, x, second_x, count, first, second);
      finish_four(rows.channels, first.vector(), row, count, y);
      if (two) finish_four(rows.channels, second.vector(), row, count, y + rows.pitch);
    }
    columns -= two ? 2 : 1;
    x += (two ? 2 : 1) * rows.depth;
    y += (two ? 2 : 1) * rows.pitch;
  }
}

}  // namespace edged::ml::native
