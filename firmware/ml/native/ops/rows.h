// The one inner loop of CONV_2D and FULLY_CONNECTED: rows of int8 weights times columns of int8 values.
#pragma once

#include <cstdint>

#include "ml/native/op.h"

namespace edged::ml::native {

// sum((w - 0) * (x - zero point)) is sum(w * x) - zero point * sum(w): the second part is in the bias, once for all.
struct Rows {
  const int8_t* weights;  // rows x depth
  int32_t* bias;          // of each row, folded
  int32_t* fractions;     // of each row, or one: Multiplier in two arrays, since a shift needs no word
  int8_t* shifts;         // likewise
  uint32_t rows;
  uint32_t depth;
  bool per_row;  // whether fractions and shifts have one for each row
  int32_t zero_point;
  Range range;

  [[nodiscard]] int8_t finish(int32_t sum, uint32_t row) const {
    const uint32_t which = per_row ? row : 0;
    const int32_t scaled = multiply(wrapping_add(sum, bias[row]), {fractions[which], shifts[which]});
    return static_cast<int8_t>(clamp(wrapping_add(scaled, zero_point), range));
  }
};

// Takes what Rows needs from the model: multipliers, activation, folded biases. bias: int32 or not present().
// false: refused, or no memory (then `rows.bias` is nullptr).
[[nodiscard]] Status prepare_rows(Prepare& prepare, const TensorInfo& input, const TensorInfo& weights,
                                  const TensorInfo& bias, const TensorInfo& output, Activation activation, Rows& rows);

// y[column][row], columns one after the other.
void multiply_columns(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y);

}  // namespace edged::ml::native
