// FULLY_CONNECTED: int8 with weights per tensor or per row, and float32.
#include <cmath>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

namespace option {
enum : uint32_t { kActivation = 0, kWeightsFormat = 1 };
}

// TFLite's border for how far a bias's scale may be off the product of both other scales, in steps of the output.
constexpr double kBiasScaleTolerance = 0.02;

struct Params {
  Rows rows;
  uint32_t batches;
  int32_t input_offset;   // minus the zero points
  int32_t weight_offset;  // 0 as a rule
};

struct FloatParams {
  uint32_t batches;
  uint32_t rows;
  uint32_t depth;
  FloatRange range;
};

Status evaluate_int8(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  multiply_columns(params.rows, evaluation.input<int8_t>(0), params.batches, evaluation.output<int8_t>(0));
  return Status::kOk;
}

// Weights with a zero point: rare, so it may cost an addition for each of them.
Status evaluate_offset(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const Rows& rows = params.rows;
  const auto* x = evaluation.input<int8_t>(0);
  auto* y = evaluation.output<int8_t>(0);
  for (uint32_t batch = 0; batch < params.batches; ++batch, x += rows.depth) {
    const int8_t* w = rows.weights;
    for (uint32_t row = 0; row < rows.rows; ++row, w += rows.depth) {
      uint32_t sum = 0;
      for (uint32_t k = 0; k < rows.depth; ++k) {
        // What the bias holds already is sum(w) * input offset.
        sum += static_cast<uint32_t>(w[k] * x[k] + (x[k] + params.input_offset) * params.weight_offset);
      }
      *y++ = rows.channels.finish(sum, row);
    }
  }
  return Status::kOk;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& params = evaluation.params<FloatParams>();
  const auto* x = evaluation.input<float>(0);
  const auto* bias = evaluation.input<float>(2);
  auto* y = evaluation.output<float>(0);
  for (uint32_t batch = 0; batch < params.batches; ++batch, x += params.depth) {
    const auto* w = evaluation.input<float>(1);
    for (uint32_t row = 0; row < params.rows; ++row, w += params.depth) {
      float sum = 0;
      for (uint32_t k = 0; k < params.depth; ++k) sum += w[k] * x[k];
      *y++ = finish(sum, bias, row, params.range);
    }
  }
  return Status::kOk;
}

Status prepare_float(Prepare& prepare, uint32_t batches, uint32_t rows, uint32_t depth, Activation activation) {
  FloatParams params = {batches, rows, depth, {}};
  if (const Status status = take_activation(prepare, activation, params.range); !ok(status)) return status;
  return prepare.evaluate_with(evaluate_float, params);
}

bool bias_fits(const Operands& operands) {
  if (!operands.bias.present() || operands.weights.per_channel()) return true;
  const double product = static_cast<double>(operands.input.scale() * operands.weights.scale());
  return std::abs(product - static_cast<double>(operands.bias.scale())) /
             static_cast<double>(operands.output.scale()) <=
         kBiasScaleTolerance;
}

Status prepare_int8(Prepare& prepare, const Operands& operands, uint32_t batches, Activation activation) {
  if (!bias_fits(operands)) return prepare.refuse("the scales do not fit each other", Status::kMalformed);
  Params params = {};
  Rows& rows = params.rows;
  rows.rows = rows.pitch = static_cast<uint32_t>(operands.weights.dims[0]);
  rows.depth = static_cast<uint32_t>(operands.weights.dims[1]);
  rows.weights = reinterpret_cast<const int8_t*>(operands.weights.constant);
  params.batches = batches;
  params.input_offset = -operands.input.zero_point();
  params.weight_offset = operands.weights.per_channel() ? 0 : -operands.weights.zero_point();
  const WeightLayout layout = {rows.rows, rows.depth, rows.depth, 1};
  const Status status = prepare_channels(prepare, operands, layout, activation, rows.channels);
  if (!ok(status)) return status;
  return prepare.evaluate_with(params.weight_offset == 0 ? evaluate_int8 : evaluate_offset, params);
}

Status prepare(Prepare& prepare) {
  const Operands operands = read_operands(prepare);
  const TensorInfo& weights = operands.weights;
  if (prepare.options().scalar<int8_t>(option::kWeightsFormat, 0) != 0) {
    return prepare.refuse("shuffled weights are not supported");
  }
  if (weights.rank != 2) return prepare.refuse("the weights do not have two dimensions", Status::kMalformed);
  const auto rows = static_cast<uint32_t>(weights.dims[0]);
  const auto depth = static_cast<uint32_t>(weights.dims[1]);
  const uint32_t batches = operands.output.elements / rows;
  if (const Status status = check_channels(prepare, operands, 0); !ok(status)) return status;
  if (uint64_t{batches} * depth != operands.input.elements) {
    return prepare.refuse("the shapes do not fit each other", Status::kMalformed);
  }
  prepare.work(uint64_t{batches} * rows * depth);
  const Activation activation = fused_activation(prepare, option::kActivation);
  if (operands.are(Type::kInt8)) return prepare_int8(prepare, operands, batches, activation);
  return prepare_float(prepare, batches, rows, depth, activation);
}

}  // namespace

constexpr uint8_t kFullyConnectedOptions = 8;
const Operator kFullyConnected = {OpCode::kFullyConnected, kFullyConnectedOptions, 2, 3, 1, 1, prepare};

}  // namespace edged::ml::native
