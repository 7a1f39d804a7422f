// What several operators ask of their operands at load.
#pragma once

#include <cstring>

#include "ml/native/op.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {

// Integers that stand for reals: a tensor of such a type has a scale.
inline bool holds_steps(Type type) { return type == Type::kInt8 || type == Type::kInt16 || type == Type::kUint8; }

// One scale for all of the tensor, and for int16 the zero point that TFLite's kernels take for granted.
inline bool per_tensor(const TensorInfo& tensor) {
  return tensor.quantized() && !tensor.per_channel() && (tensor.type != Type::kInt16 || tensor.zero_point() == 0);
}

// Whether a value means the same in both: what an operator relies on that only moves or compares values.
inline bool same_meaning(const TensorInfo& a, const TensorInfo& b) {
  if (a.type != b.type) return false;
  if (!holds_steps(a.type)) return true;
  return per_tensor(a) && per_tensor(b) && a.scale() == b.scale() && a.zero_point() == b.zero_point();
}

inline constexpr const char* kNotSameMeaning = "operands differ in type or scale, or have no scale";

inline constexpr const char* kNoneOfThreeTypes = "the type is none of int8, int16 and float32";
inline constexpr const char* kNoneOfFourTypes = "the type is none of int8, int16, int32 and float32";
inline constexpr const char* kNotPerTensor = "an operand has no scale, several, or a zero point although it is int16";
inline constexpr const char* kScalesApart = "the scales are too far from each other";

// The multiplier of a quotient of scales. false: too large for one (kScalesApart).
[[nodiscard]] inline bool take_multiplier(double value, Multiplier& into) {
  if (!(value < static_cast<double>(uint32_t{1} << kMaxLeftShift))) return false;
  into = quantize_multiplier(value);
  return into.shift <= kMaxLeftShift;
}

// From steps of one tensor to those of another. false: kScalesApart.
struct Rescaling {
  int32_t from_zero;
  int32_t zero;
  Multiplier ratio;
};

[[nodiscard]] inline bool take_rescaling(const TensorInfo& from, const TensorInfo& to, Rescaling& into) {
  into.from_zero = from.zero_point();
  into.zero = to.zero_point();
  return take_multiplier(static_cast<double>(from.scale()) / static_cast<double>(to.scale()), into.ratio);
}

[[gnu::always_inline]] inline int32_t rescale(int32_t x, const Rescaling& how, const Range& range) {
  const auto steps = static_cast<int32_t>(static_cast<uint32_t>(x) - static_cast<uint32_t>(how.from_zero));
  return requantize(steps, how.ratio, how.zero, range);
}

// Element i of a constant int32 tensor.
inline int32_t constant_int32(const TensorInfo& tensor, uint32_t i) {
  int32_t value;
  std::memcpy(&value, tensor.constant + sizeof(value) * i, sizeof(value));
  return value;
}

inline bool constant_int32s(const TensorInfo& tensor, uint32_t count) {
  return tensor.constant != nullptr && tensor.type == Type::kInt32 && tensor.elements == count;
}

// An axis counted from the end if negative. false: not one of rank axes.
inline bool resolve_axis(int32_t axis, uint32_t rank, uint32_t& resolved) {
  const auto count = static_cast<int32_t>(rank);
  if (axis < -count || axis >= count) return false;
  resolved = static_cast<uint32_t>(axis < 0 ? axis + count : axis);
  return true;
}

// Elements of the dimensions from `first` up to before `end`.
inline uint32_t elements_of(const TensorInfo& tensor, uint32_t first, uint32_t end) {
  uint32_t elements = 1;
  for (uint32_t i = first; i < end; ++i) elements *= static_cast<uint32_t>(tensor.dims[i]);
  return elements;
}

inline Activation fused_activation(const Prepare& prepare, uint32_t field) {
  return prepare.options().scalar<Activation>(field, Activation::kNone);
}

inline constexpr const char* kNoSuchActivation = "the fused activation is not supported";

// What a fused activation leaves of the values: of float32, or of the output's steps.
[[nodiscard]] inline Status take_activation(Prepare& prepare, Activation activation, FloatRange& range) {
  return activation_range(activation, range) ? Status::kOk : prepare.refuse(kNoSuchActivation);
}
[[nodiscard]] inline Status take_activation(Prepare& prepare, Activation activation, const TensorInfo& output,
                                            Range& range) {
  const bool done = activation_range(activation, output.type, output.scale(), output.zero_point(), range);
  return done ? Status::kOk : prepare.refuse(kNoSuchActivation);
}

}  // namespace edged::ml::native
