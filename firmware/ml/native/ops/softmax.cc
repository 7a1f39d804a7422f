// SOFTMAX over the last dimension: int8 to int8 or int16, and float32.
//
// The integer variant computes exp() of differences in Q5.26 and 1/x in the fixed point of exponential.h.
#include <cmath>

#include "ml/native/exponential.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

namespace option {
enum : uint32_t { kBeta = 0 };
}

constexpr int32_t kDifferenceBits = 5;  // integer bits of beta * scale * (x - maximum)
constexpr int32_t kSumBits = 12;        // integer bits of the sum of exponentials
// 2^12 exponentials of 1 fill the sum's integer bits.
constexpr uint32_t kMaxDepth = 1u << kSumBits;

struct Params {
  uint32_t rows;
  uint32_t depth;
  Multiplier by;
  int32_t least_difference;  // below it, the exponential is zero
};

struct FloatParams {
  uint32_t rows;
  uint32_t depth;
  float beta;
};

int32_t leading_zeros(uint32_t x) { return x == 0 ? 32 : __builtin_clz(x); }

template <typename Out>
void softmax_row(const Params& params, const int8_t* x, Out* y) {
  int32_t most = INT8_MIN;
  for (uint32_t i = 0; i < params.depth; ++i) most = x[i] > most ? x[i] : most;
  const auto exponential = [&params](int32_t difference) {
    return exp_of_negative<kDifferenceBits>(multiply(difference, params.by));
  };
  uint32_t sum = 0;
  for (uint32_t i = 0; i < params.depth; ++i) {
    const int32_t difference = x[i] - most;
    if (difference < params.least_difference) continue;
    sum += static_cast<uint32_t>(rounding_divide_by_pot(exponential(difference), kSumBits));
  }
  const int32_t headroom = leading_zeros(sum);
  const auto fraction = static_cast<int32_t>((sum << headroom) - (uint32_t{1} << 31));
  const int32_t scale = one_over_one_plus(fraction);
  const int32_t shift = kSumBits - headroom + 31 - int32_t{8 * sizeof(Out)};
  for (uint32_t i = 0; i < params.depth; ++i) {
    const int32_t difference = x[i] - most;
    int32_t value = kRangeOf<Out>.low;
    if (difference >= params.least_difference) {
      value += rounding_divide_by_pot(doubling_high_mul(scale, exponential(difference)), shift);
    }
    y[i] = static_cast<Out>(clamp(value, kRangeOf<Out>));
  }
}

template <typename Out>
Status evaluate(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const auto* x = evaluation.input<int8_t>(0);
  auto* y = evaluation.output<Out>(0);
  for (uint32_t row = 0; row < params.rows; ++row, x += params.depth, y += params.depth) softmax_row(params, x, y);
  return Status::kOk;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& params = evaluation.params<FloatParams>();
  const auto* x = evaluation.input<float>(0);
  auto* y = evaluation.output<float>(0);
  for (uint32_t row = 0; row < params.rows; ++row, x += params.depth, y += params.depth) {
    float most = x[0];
    for (uint32_t i = 1; i < params.depth; ++i) most = most < x[i] ? x[i] : most;
    float sum = 0;
    for (uint32_t i = 0; i < params.depth; ++i) sum += y[i] = std::exp((x[i] - most) * params.beta);
    for (uint32_t i = 0; i < params.depth; ++i) y[i] /= sum;
  }
  return Status::kOk;
}

Status prepare_float(Prepare& prepare, uint32_t rows, uint32_t depth, float beta) {
  return prepare.evaluate_with(evaluate_float, FloatParams{rows, depth, beta});
}

// The output's scale and zero point are not computed with, they follow: 0 to 1 over all values of the type.
bool spans_one(const TensorInfo& output) {
  const bool narrow = output.type == Type::kInt8;
  const float scale = narrow ? 1.0f / 256 : 1.0f / 65536;
  constexpr float kTolerance = 0.001f;
  return output.quantized() && output.zero_point() == (narrow ? INT8_MIN : INT16_MIN) &&
         std::abs(output.scale() - scale) <= kTolerance * scale;
}

Status prepare_int8(Prepare& prepare, uint32_t rows, uint32_t depth, float beta) {
  const TensorInfo input = prepare.input(0);
  if (!input.quantized() || beta <= 0.0f) return prepare.refuse("no scale, or beta is not above zero");
  if (!spans_one(prepare.output(0))) return prepare.refuse("the output's scale is not that of values from 0 to 1");
  if (depth > kMaxDepth) return prepare.refuse("more than 4096 classes", Status::kTooLarge);
  const double step = static_cast<double>(beta) * static_cast<double>(input.scale()) * (1 << (31 - kDifferenceBits));
  const Multiplier by = quantize_multiplier(step < 2147483647.0 ? step : 2147483647.0);
  const double reach = ((1 << kDifferenceBits) - 1) * static_cast<double>(int64_t{1} << (31 - kDifferenceBits));
  const double least = -std::floor(by.shift > 0 ? reach / static_cast<double>(int64_t{1} << by.shift) : reach);
  const Params params = {rows, depth, by, static_cast<int32_t>(least)};
  const bool to_int8 = prepare.output(0).type == Type::kInt8;
  return prepare.evaluate_with(to_int8 ? evaluate<int8_t> : evaluate<int16_t>, params);
}

Status prepare(Prepare& prepare) {
  const TensorInfo input = prepare.input(0);
  const TensorInfo output = prepare.output(0);
  const auto beta = prepare.options().scalar<float>(option::kBeta, 0.0f);
  if (input.rank == 0 || !input.same_shape(output) || !std::isfinite(beta)) {
    return prepare.refuse("input and output do not have the same shape", Status::kMalformed);
  }
  constexpr uint64_t kStepsOfOne = 80;  // multiplications of two exponentials
  prepare.work(input.elements * kStepsOfOne);
  const auto depth = static_cast<uint32_t>(input.last(0));
  const uint32_t rows = input.elements / depth;
  if (input.type == Type::kFloat32 && output.type == Type::kFloat32) return prepare_float(prepare, rows, depth, beta);
  if (input.type == Type::kInt8 && (output.type == Type::kInt8 || output.type == Type::kInt16)) {
    return prepare_int8(prepare, rows, depth, beta);
  }
  return prepare.refuse("the types are not supported: int8 to int8 or int16, or float32");
}

}  // namespace

constexpr uint8_t kSoftmaxOptions = 9;
const Operator kSoftmax = {OpCode::kSoftmax, kSoftmaxOptions, 1, 1, 1, 1, prepare};

}  // namespace edged::ml::native
