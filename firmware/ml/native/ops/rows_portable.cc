// Two rows by two columns at a time: four loads for four multiplications, and the sums stay in registers.
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a * b); }

uint32_t dot(const int8_t* w, const int8_t* x, uint32_t depth) {
  uint32_t sum = 0;
  for (const int8_t* end = w + depth; w != end;) sum += product(*w++, *x++);
  return sum;
}

struct Sums {
  uint32_t first[2];  // of the first row, for both columns
  uint32_t second[2];
};

inline Sums dot_2x2(const int8_t* w, const int8_t* x, uint32_t depth) {
  uint32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
  const int8_t* w1 = w + depth;
  const int8_t* x1 = x + depth;
#pragma GCC unroll 4
  for (uint32_t k = 0; k < depth; ++k) {
    const int32_t a0 = w[k], a1 = w1[k], b0 = x[k], b1 = x1[k];
    s00 += product(a0, b0);
    s01 += product(a0, b1);
    s10 += product(a1, b0);
    s11 += product(a1, b1);
  }
  return {{s00, s01}, {s10, s11}};
}

void two_columns(const Rows& rows, const int8_t* x, int8_t* y) {
  const int8_t* w = rows.weights;
  uint32_t row = 0;
  for (; row + 2 <= rows.rows; row += 2, w += 2 * rows.depth) {
    const Sums sums = dot_2x2(w, x, rows.depth);
    for (uint32_t column = 0; column < 2; ++column) {
      int8_t* to = y + column * rows.pitch + row;
      to[0] = rows.channels.finish(sums.first[column], row);
      to[1] = rows.channels.finish(sums.second[column], row + 1);
    }
  }
  if (row < rows.rows) {
    y[row] = rows.channels.finish(dot(w, x, rows.depth), row);
    y[rows.pitch + row] = rows.channels.finish(dot(w, x + rows.depth, rows.depth), row);
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
