// SOFTMAX over the last dimension: int8 to int8 or int16, and float32.
//
// The integer variant computes exp() of differences in Q5.26 and 1/x by Newton's method, as gemmlowp does: the
// constants and the order of roundings are part of the result.
#include <cmath>
#include <type_traits>

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

// x * 2^exponent, exponent > 0, saturating.
int32_t saturating_shift_left(int32_t x, int32_t exponent) {
  const int64_t value = int64_t{x} * (int64_t{1} << exponent);
  return value > INT32_MAX ? INT32_MAX : (value < INT32_MIN ? INT32_MIN : static_cast<int32_t>(value));
}

// exp(x) in Q0.31 for x in Q0.31, -1/4 <= x < 0: a Taylor series about -1/8.
int32_t exp_of_quarter(int32_t x) {
  constexpr int32_t kExpOfMinusEighth = 1895147668;
  constexpr int32_t kThird = 715827883;
  const int32_t t = x + (1 << 28);
  const int32_t square = doubling_high_mul(t, t);
  const int32_t cube = doubling_high_mul(square, t);
  const int32_t fourth = rounding_divide_by_pot(doubling_high_mul(square, square), 2);
  const int32_t rest = rounding_divide_by_pot(doubling_high_mul(fourth + cube, kThird) + square, 1);
  return wrapping_add(kExpOfMinusEighth, doubling_high_mul(kExpOfMinusEighth, t + rest));
}

// exp(x) in Q0.31 for x <= 0 in Q5.26: the part below a quarter by series, each further bit by a factor.
int32_t exp_of_negative(int32_t x) {
  constexpr int32_t kFractionBits = 31 - kDifferenceBits;
  constexpr int32_t kQuarter = 1 << (kFractionBits - 2);
  // exp(-2^k) in Q0.31 for k = -2 .. 4
  constexpr int32_t kFactors[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  if (x == 0) return INT32_MAX;
  const int32_t below_quarter = (x & (kQuarter - 1)) - kQuarter;
  int32_t result = exp_of_quarter(saturating_shift_left(below_quarter, kDifferenceBits));
  const int32_t quarters = below_quarter - x;
  for (int32_t k = 0; k < 7; ++k) {
    if ((quarters & (kQuarter << k)) != 0) result = doubling_high_mul(result, kFactors[k]);
  }
  return result;
}

// 1 / (1 + x) in Q0.31 for x in Q0.31, 0 <= x < 1: three steps of Newton-Raphson in Q2.29.
int32_t reciprocal_of_one_plus(int32_t x) {
  constexpr int32_t k48Over17 = 1515870810;
  constexpr int32_t kMinus32Over17 = -1010580540;
  constexpr int32_t kOne = 1 << 29;
  const auto half = static_cast<int32_t>((int64_t{x} + INT32_MAX + 1) / 2);
  int32_t result = k48Over17 + doubling_high_mul(half, kMinus32Over17);
  for (int i = 0; i < 3; ++i) {
    const int32_t missing = kOne - doubling_high_mul(half, result);
    result = wrapping_add(result, saturating_shift_left(doubling_high_mul(result, missing), 2));
  }
  return saturating_shift_left(result, 1);
}

int32_t leading_zeros(uint32_t x) { return x == 0 ? 32 : __builtin_clz(x); }

template <typename Out>
void softmax_row(const Params& params, const int8_t* x, Out* y) {
  int32_t most = INT8_MIN;
  for (uint32_t i = 0; i < params.depth; ++i) most = x[i] > most ? x[i] : most;
  const auto exponential = [&params](int32_t difference) { return exp_of_negative(multiply(difference, params.by)); };
  uint32_t sum = 0;
  for (uint32_t i = 0; i < params.depth; ++i) {
    const int32_t difference = x[i] - most;
    if (difference < params.least_difference) continue;
    sum += static_cast<uint32_t>(rounding_divide_by_pot(exponential(difference), kSumBits));
  }
  const int32_t headroom = leading_zeros(sum);
  const auto fraction = static_cast<int32_t>((sum << headroom) - (uint32_t{1} << 31));
  const int32_t scale = reciprocal_of_one_plus(fraction);
  constexpr int32_t kLowest = std::is_same_v<Out, int8_t> ? INT8_MIN : INT16_MIN;
  constexpr int32_t kHighest = -1 - kLowest;
  const int32_t shift = kSumBits - headroom + 31 - int32_t{8 * sizeof(Out)};
  for (uint32_t i = 0; i < params.depth; ++i) {
    const int32_t difference = x[i] - most;
    int32_t value = kLowest;
    if (difference >= params.least_difference) {
      value += rounding_divide_by_pot(doubling_high_mul(scale, exponential(difference)), shift);
    }
    y[i] = static_cast<Out>(clamp(value, Range{kLowest, kHighest}));
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
  auto* params = prepare.persistent<FloatParams>();
  if (params == nullptr) return prepare.no_memory();
  *params = {rows, depth, beta};
  return prepare.evaluate_by(evaluate_float, params);
}

Status prepare_int8(Prepare& prepare, uint32_t rows, uint32_t depth, float beta) {
  const TensorInfo input = prepare.input(0);
  if (!input.quantized() || beta <= 0.0f) return prepare.refuse("no scale, or beta is not above zero");
  if (depth > kMaxDepth) return prepare.refuse("more than 4096 classes", Status::kTooLarge);
  const double step = double{beta} * double{input.scale()} * (1 << (31 - kDifferenceBits));
  const Multiplier by = quantize_multiplier(step < 2147483647.0 ? step : 2147483647.0);
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  const double reach = ((1 << kDifferenceBits) - 1) * double(int64_t{1} << (31 - kDifferenceBits));
  const double least = -std::floor(by.shift > 0 ? reach / double(int64_t{1} << by.shift) : reach);
  *params = {rows, depth, by, static_cast<int32_t>(least)};
  const bool to_int8 = prepare.output(0).type == Type::kInt8;
  return prepare.evaluate_by(to_int8 ? evaluate<int8_t> : evaluate<int16_t>, params);
}

Status prepare(Prepare& prepare) {
  const TensorInfo input = prepare.input(0);
  const TensorInfo output = prepare.output(0);
  const auto beta = prepare.options().scalar<float>(option::kBeta, 0.0f);
  if (input.rank == 0 || !input.same_shape(output) || !std::isfinite(beta)) {
    return prepare.refuse("input and output do not have the same shape", Status::kMalformed);
  }
  constexpr uint64_t kStepsOfOne = 40;  // multiplications of two exponentials
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
