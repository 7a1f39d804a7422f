// SVDF: a fully connected layer over time. Each filter sees the input (feature weights) and remembers what it saw (a
// state of `memory` values, the newest last), weighs that over time (time weights), and `rank` filters make one output.
//
// The state is a variable tensor of the model; it lies in the operator's own memory.
#include <cmath>
#include <cstring>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

enum : uint32_t { kInput = 0, kFeature = 1, kTime = 2, kBias = 3, kState = 4 };

// How far a bias's scale may be off the product of both other scales, as TFLM allows.
constexpr double kBiasScaleTolerance = 1e-5;

struct Params {
  uint32_t batches;
  uint32_t depth;
  uint32_t filters;
  uint32_t memory;
  uint32_t rank;
  void* state;
  // integers
  int32_t input_zero;
  int32_t state_zero;
  int32_t zero;
  Multiplier to_state;
  Multiplier to_output;
  // float32
  Activation activation;
};

template <typename T>
void make_room(const Params& p, T* state) {
  std::memmove(state, state + 1, (size_t{p.batches} * p.filters * p.memory - 1) * sizeof(T));
}

template <typename T>
void remember(const Params& p, const int8_t* input, const int8_t* weights, T* state) {
  for (uint32_t filter = 0; filter < p.filters; ++filter) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < p.depth; ++i) sum += product(*weights++, input[i] - p.input_zero);
    const int32_t seen = clamp(multiply(static_cast<int32_t>(sum), p.to_state), kRangeOf<T>);
    state[filter * p.memory + p.memory - 1] = static_cast<T>(p.state_zero + seen);
  }
}

template <typename T>
Status evaluate_steps(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const auto* input = evaluation.input<int8_t>(kInput);
  const auto* bias = evaluation.input<int32_t>(kBias);
  auto* state = static_cast<T*>(p.state);
  auto* to = evaluation.output<int8_t>(0);
  make_room(p, state);
  for (uint32_t batch = 0; batch < p.batches; ++batch, input += p.depth) {
    remember(p, input, evaluation.input<int8_t>(kFeature), state);
    const auto* weights = evaluation.input<T>(kTime);
    for (uint32_t unit = 0; unit < p.filters / p.rank; ++unit) {
      auto sum = static_cast<uint32_t>(bias[unit]);
      for (uint32_t i = 0; i < p.rank * p.memory; ++i) sum += product(*weights++, *state++ - p.state_zero);
      *to++ = static_cast<int8_t>(requantize(static_cast<int32_t>(sum), p.to_output, p.zero, kRangeOf<int8_t>));
    }
  }
  return Status::kOk;
}

float activated(Activation activation, float x) {
  FloatRange range{};
  // TFLM does not cut off at the ends of float32 here.
  if (activation == Activation::kNone || !activation_range(activation, range)) return x;
  return clamp(x, range);
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const auto* input = evaluation.input<float>(kInput);
  const auto* bias = evaluation.input<float>(kBias);
  auto* state = static_cast<float*>(p.state);
  auto* to = evaluation.output<float>(0);
  make_room(p, state);
  for (uint32_t batch = 0; batch < p.batches; ++batch, input += p.depth) {
    const auto* weights = evaluation.input<float>(kFeature);
    for (uint32_t filter = 0; filter < p.filters; ++filter) {
      float sum = 0;
      for (uint32_t i = 0; i < p.depth; ++i) sum += *weights++ * input[i];
      state[filter * p.memory + p.memory - 1] = sum;
    }
    weights = evaluation.input<float>(kTime);
    for (uint32_t unit = 0; unit < p.filters / p.rank; ++unit) {
      float total = bias[unit];
      for (uint32_t filter = 0; filter < p.rank; ++filter) {
        float sum = 0;
        for (uint32_t i = 0; i < p.memory; ++i) sum += *weights++ * *state++;
        total += sum;
      }
      *to++ = activated(p.activation, total);
    }
  }
  return Status::kOk;
}

bool is_matrix(const TensorInfo& tensor, int64_t rows, int64_t columns) {
  return tensor.rank == 2 && tensor.dims[0] == rows && tensor.dims[1] == columns;
}

// Shapes, and the sizes that follow from them.
Status outline(Prepare& prepare, Params& p) {
  const TensorInfo input = prepare.input(kInput);
  const TensorInfo feature = prepare.input(kFeature);
  const TensorInfo time = prepare.input(kTime);
  const int32_t rank = prepare.options().scalar<int32_t>(0, 0);
  if (input.rank != 2 || feature.rank != 2 || time.rank != 2 || rank <= 0 || feature.dims[0] % rank != 0) {
    return prepare.refuse("the operands are not matrices, or the filters not a multiple of the rank",
                          Status::kMalformed);
  }
  const int64_t filters = feature.dims[0];
  const int64_t memory = time.dims[1];
  const TensorInfo bias = prepare.input(kBias);
  if (!is_matrix(feature, filters, input.dims[1]) || !is_matrix(time, filters, memory) || bias.rank != 1 ||
      bias.dims[0] != filters / rank || !is_matrix(prepare.input(kState), input.dims[0], memory * filters) ||
      !is_matrix(prepare.output(0), input.dims[0], filters / rank)) {
    return prepare.refuse("the shapes do not go together", Status::kMalformed);
  }
  if (feature.constant == nullptr || time.constant == nullptr || bias.constant == nullptr) {
    return prepare.refuse("weights and bias are not constants");
  }
  if (!prepare.input(kState).variable || input.variable)
    return prepare.refuse("the state is not a variable tensor, or the input is one", Status::kMalformed);
  p = {};
  p.batches = static_cast<uint32_t>(input.dims[0]);
  p.depth = static_cast<uint32_t>(input.dims[1]);
  p.filters = static_cast<uint32_t>(filters);
  p.memory = static_cast<uint32_t>(memory);
  p.rank = static_cast<uint32_t>(rank);
  p.activation = fused_activation(prepare, 1);
  prepare.work(uint64_t{p.batches} * p.filters * (uint64_t{p.depth} + p.memory));
  return Status::kOk;
}

Status prepare_float(Prepare& prepare, Params& p) {
  for (uint32_t i = kFeature; i <= kState; ++i) {
    if (prepare.input(i).type != Type::kFloat32) return prepare.refuse("operands differ in type");
  }
  FloatRange range{};
  if (prepare.output(0).type != Type::kFloat32) return prepare.refuse("operands differ in type");
  if (const Status status = take_activation(prepare, p.activation, range); !ok(status)) return status;
  p.state = prepare.state(prepare.input(kState));
  return prepare.evaluate_with(evaluate_float, p);
}

Status prepare_steps(Prepare& prepare, Params& p) {
  const TensorInfo input = prepare.input(kInput);
  const TensorInfo feature = prepare.input(kFeature);
  const TensorInfo time = prepare.input(kTime);
  const TensorInfo state = prepare.input(kState);
  const TensorInfo output = prepare.output(0);
  if (feature.type != Type::kInt8 || (time.type != Type::kInt8 && time.type != Type::kInt16) ||
      state.type != time.type || prepare.input(kBias).type != Type::kInt32 || output.type != Type::kInt8) {
    return prepare.refuse("the types are not int8 with a state of int8 or int16, and an int32 bias");
  }
  if (!per_tensor(input) || !per_tensor(feature) || !per_tensor(time) || !per_tensor(state) || !per_tensor(output) ||
      feature.zero_point() != 0 || time.zero_point() != 0) {
    return prepare.refuse("an operand has no scale or several, or weights have a zero point");
  }
  const auto product = static_cast<double>(state.scale() * time.scale());
  if (!(std::abs(static_cast<double>(prepare.input(kBias).scale()) - product) < kBiasScaleTolerance)) {
    return prepare.refuse("the bias does not have the scale of state and time weights");
  }
  // TFLM forgets the activation; what the type cuts off anyway is the same.
  if (p.activation != Activation::kNone && !(p.activation == Activation::kRelu && output.zero_point() == -128)) {
    return prepare.refuse(kNoSuchActivation);
  }
  p.input_zero = input.zero_point();
  p.state_zero = state.zero_point();
  p.zero = output.zero_point();
  const auto real = [](const TensorInfo& tensor) { return static_cast<double>(tensor.scale()); };
  if (!take_multiplier(real(input) * real(feature) / real(state), p.to_state) ||
      !take_multiplier(real(state) * real(time) / real(output), p.to_output)) {
    return prepare.refuse(kScalesApart);
  }
  p.state = prepare.state(state);
  return prepare.evaluate_with(state.type == Type::kInt8 ? evaluate_steps<int8_t> : evaluate_steps<int16_t>, p);
}

Status prepare(Prepare& prepare) {
  Params params = {};
  if (const Status status = outline(prepare, params); !ok(status)) return status;
  switch (prepare.input(kInput).type) {
    case Type::kInt8:
      return prepare_steps(prepare, params);
    case Type::kFloat32:
      return prepare_float(prepare, params);
    default:
      return prepare.refuse("the type is not int8 or float32");
  }
}

}  // namespace

constexpr uint8_t kSvdfOptions = 6;
const Operator kSvdf = {OpCode::kSvdf, kSvdfOptions, 5, 5, 1, 1, prepare};

}  // namespace edged::ml::native
