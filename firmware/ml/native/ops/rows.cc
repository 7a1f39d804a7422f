#include "ml/native/ops/rows.h"

#include <cmath>

namespace edged::ml::native {
namespace {

Status take_multipliers(Prepare& prepare, const TensorInfo& input, const TensorInfo& weights, const TensorInfo& output,
                        Rows& rows) {
  for (uint32_t i = 0; i < (rows.per_row ? rows.rows : 1); ++i) {
    const Multiplier by =
        quantize_multiplier(double{input.scale()} * double{weights.scale(i)} / double{output.scale()});
    if (by.shift > 0 && by.shift > 30) return prepare.refuse("the output's scale is too fine", Status::kMalformed);
    rows.fractions[i] = by.fraction;
    rows.shifts[i] = static_cast<int8_t>(by.shift);
  }
  return Status::kOk;
}

void fold_bias(const TensorInfo& input, const TensorInfo& bias, Rows& rows) {
  const auto offset = static_cast<uint32_t>(-input.zero_point());
  for (uint32_t row = 0; row < rows.rows; ++row) {
    const int8_t* w = rows.weights + size_t{row} * rows.depth;
    uint32_t sum = 0;
    for (uint32_t k = 0; k < rows.depth; ++k) sum += static_cast<uint32_t>(int32_t{w[k]});
    const int32_t own = bias.present() ? reinterpret_cast<const int32_t*>(bias.constant)[row] : 0;
    rows.bias[row] = static_cast<int32_t>(static_cast<uint32_t>(own) + sum * offset);
  }
}

}  // namespace

Status prepare_rows(Prepare& prepare, const TensorInfo& input, const TensorInfo& weights, const TensorInfo& bias,
                    const TensorInfo& output, Activation activation, Rows& rows) {
  rows.zero_point = output.zero_point();
  if (!activation_range(activation, output.type, output.scale(), output.zero_point(), rows.range)) {
    return prepare.refuse("the fused activation is not supported");
  }
  const uint32_t multipliers = rows.per_row ? rows.rows : 1;
  rows.fractions = prepare.persistent<int32_t>(multipliers);
  rows.shifts = prepare.persistent<int8_t>(multipliers);
  rows.bias = prepare.persistent<int32_t>(rows.rows);
  if (rows.bias == nullptr) return prepare.no_memory();
  rows.weights = reinterpret_cast<const int8_t*>(weights.constant);
  fold_bias(input, bias, rows);
  return take_multipliers(prepare, input, weights, output, rows);
}

void multiply_columns(const Rows& rows, const int8_t* x, uint32_t columns, int8_t* y) {
  for (uint32_t column = 0; column < columns; ++column, x += rows.depth, y += rows.rows) {
    for (uint32_t row = 0; row < rows.rows; ++row) {
      const int8_t* w = rows.weights + size_t{row} * rows.depth;
      uint32_t sum = 0;
      for (uint32_t k = 0; k < rows.depth; ++k) sum += static_cast<uint32_t>(w[k] * x[k]);
      y[row] = rows.finish(static_cast<int32_t>(sum), row);
    }
  }
}

}  // namespace edged::ml::native
