// The one inner loop of CONV_2D and FULLY_CONNECTED: rows of int8 weights times columns of int8 values. Its three
// implementations, of which a build links one: rows_portable.cc and rows_dsp.cc, which share rows_by_two.h, and
// rows_mve.cc.
#pragma once

#include <cstdint>

#include "ml/native/ops/channels.h"

namespace edged::ml::native {

struct Rows {
  const int8_t* weights;  // rows x depth
  Channels channels;      // one for each row
  uint32_t rows;
  uint32_t depth;
  uint32_t pitch;  // bytes from one column of results to the next
};

// What multiply_columns() is fastest with: columns at a time.
inline constexpr uint32_t kColumns = 2;

// y[column * pitch + row]; columns lie in x one after the other.
void multiply_columns(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y);

}  // namespace edged::ml::native
