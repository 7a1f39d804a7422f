// multiply_columns() of cores without vectors: two rows with two columns at a time, so that what is loaded is used
// twice.
#pragma once

#include "ml/native/ops/finish.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {

// Dot: how a core multiplies and adds.
//   uint32_t one(w, x, depth): the sum of a row and a column;
//   void two_by_two(w, x, depth, first, second): two sums each, of both rows, for the first and the second column; rows
//   and columns lie one after the other.
template <typename Dot>
void multiply_columns_by_two(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y) {
  while (columns != 0) {
    const bool two = columns >= 2;
    const int8_t* w = rows.weights;
    for (uint32_t row = 0; row < rows.rows; row += kRun) {
      const uint32_t count = rows.rows - row < kRun ? rows.rows - row : kRun;
      uint32_t sums[2][kRun];
      uint32_t i = 0;
      if (two) {
        for (; i + 2 <= count; i += 2, w += 2 * rows.depth) Dot::two_by_two(w, x, rows.depth, sums[0] + i, sums[1] + i);
        if (i < count) sums[1][i] = Dot::one(w, x + rows.depth, rows.depth);
      }
      for (; i < count; ++i, w += rows.depth) sums[0][i] = Dot::one(w, x, rows.depth);
      finish_run(rows.channels, sums[0], row, count, y + row);
      if (two) finish_run(rows.channels, sums[1], row, count, y + rows.pitch + row);
    }
    columns -= two ? 2 : 1;
    x += (two ? 2 : 1) * rows.depth;
    y += (two ? 2 : 1) * rows.pitch;
  }
}

}  // namespace edged::ml::native
