#include "ml/native/ops/channels.h"

#include "ml/native/ops/checks.h"

namespace edged::ml::native {
namespace {

Status take_multipliers(Prepare& prepare, const Operands& operands, uint32_t count, Channels& channels) {
  const auto input = static_cast<double>(operands.input.scale());
  const auto output = static_cast<double>(operands.output.scale());
  channels.plain = channels.range.low == INT8_MIN && channels.range.high == INT8_MAX;
  for (uint32_t i = 0; i < count; ++i) {
    const Multiplier by = quantize_multiplier(input * static_cast<double>(operands.weights.scale(i)) / output);
    if (by.shift > kMaxLeftShift) return prepare.refuse("the output's scale is too fine", Status::kMalformed);
    channels.fractions[i] = by.fraction;
    channels.shifts[i] = static_cast<int8_t>(by.shift);
    if (by.shift >= 0) channels.plain = false;
  }
  return Status::kOk;
}

void fold_bias(const Operands& operands, const WeightLayout& layout, Channels& channels) {
  const auto offset = static_cast<uint32_t>(-operands.input.zero_point());
  const auto* bias = reinterpret_cast<const int32_t*>(operands.bias.constant);
  for (uint32_t channel = 0; channel < layout.channels; ++channel) {
    const auto* w = reinterpret_cast<const int8_t*>(operands.weights.constant) + size_t{channel} * layout.channel_step;
    uint32_t sum = 0;
    for (uint32_t tap = 0; tap < layout.taps; ++tap)
      sum += static_cast<uint32_t>(int32_t{w[size_t{tap} * layout.tap_step]});
    const uint32_t own = bias == nullptr ? 0 : static_cast<uint32_t>(bias[channel]);
    channels.bias[channel] = static_cast<int32_t>(own + sum * offset);
  }
}

}  // namespace

bool Operands::are(Type type) const {
  const Type of_bias = type == Type::kInt8 ? Type::kInt32 : type;
  return input.type == type && weights.type == type && output.type == type && (!bias.present() || bias.type == of_bias);
}

Operands read_operands(const Prepare& prepare) {
  return {prepare.input(0), prepare.input(1), prepare.input(2), prepare.output(0)};
}

Status check_channels(Prepare& prepare, const Operands& operands, uint32_t dimension) {
  const TensorInfo& weights = operands.weights;
  const int32_t channels = weights.dims[dimension];
  if (operands.output.last(0) != channels ||
      (operands.bias.present() && operands.bias.elements != static_cast<uint32_t>(channels))) {
    return prepare.refuse("the shapes do not fit each other", Status::kMalformed);
  }
  if (operands.are(Type::kFloat32)) return Status::kOk;
  if (!operands.are(Type::kInt8)) {
    return prepare.refuse("the types are not supported: int8 with int32 bias, or float32");
  }
  if (weights.per_channel() && weights.quantized_dimension != dimension) {
    return prepare.refuse("scales per channel are not those of the output's channels", Status::kMalformed);
  }
  return Status::kOk;
}

Status prepare_channels(Prepare& prepare, const Operands& operands, const WeightLayout& layout, Activation activation,
                        Channels& channels) {
  if (operands.weights.constant == nullptr || (operands.bias.present() && operands.bias.constant == nullptr)) {
    return prepare.refuse("weights or bias that are not constants are not supported");
  }
  if (!operands.input.quantized() || !operands.weights.quantized() || !operands.output.quantized()) {
    return prepare.refuse("an int8 tensor has no scale", Status::kMalformed);
  }
  channels.zero_point = operands.output.zero_point();
  if (const Status status = take_activation(prepare, activation, operands.output, channels.range); !ok(status)) {
    return status;
  }
  channels.bias = prepare.persistent<int32_t>(layout.channels);
  channels.fractions = prepare.persistent<int32_t>(layout.channels);
  channels.shifts = prepare.persistent<int8_t>(layout.channels);
  if (channels.shifts == nullptr) return Status::kOk;
  fold_bias(operands, layout, channels);
  return take_multipliers(prepare, operands, layout.channels, channels);
}

}  // namespace edged::ml::native
