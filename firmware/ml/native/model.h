// A .tflite, checked. What open() accepted can be asked for without further checks; a tensor is checked when asked for.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"
#include "ml/engine.h"
#include "ml/native/flatbuffer.h"
#include "ml/native/schema.h"

namespace edged::ml::native {

// What is beyond these is no model for a microcontroller: a detector with 100 layers has 300 tensors and 120 operators.
inline constexpr uint32_t kMaxTensors = 1024;
inline constexpr uint32_t kMaxOperators = 512;
inline constexpr uint32_t kMaxBuffers = 2048;
inline constexpr uint32_t kMaxOperatorCodes = 128;
inline constexpr uint32_t kMaxOperands = 32;           // inputs, and outputs, of one operator and of the graph
inline constexpr uint32_t kMaxTensorBytes = 1u << 26;  // 64 MB; products of two dimensions stay far from overflow
inline constexpr uint32_t kMaxChannels = 1u << 16;     // per-channel scales of one tensor

// The first thing found is what is told: sets the reason and returns the status.
inline Status refuse(Diagnosis& diagnosis, Status status, const char* what) {
  if (ok(diagnosis.status)) {
    diagnosis.status = status;
    diagnosis.what = what;
  }
  return diagnosis.status;
}

// Everything the model says about one tensor. Only for the time of load(): it is too large to keep.
struct TensorInfo {
  int32_t index = -1;  // of the graph; -1: an optional operand that was left out
  Type type = Type::kInt8;
  uint32_t rank = 0;
  int32_t dims[kMaxRank] = {};  // each > 0
  uint32_t elements = 0;
  uint32_t bytes = 0;
  Vector<float> scales;         // none: not quantised; one; or one for each of dims[quantized_dimension]
  Vector<int64_t> zero_points;  // as many as scales, or none; each fits the type
  uint32_t quantized_dimension = 0;
  bool variable = false;  // a state that an operator keeps from one invoke to the next, in memory of its own
  const uint8_t* constant = nullptr;  // the values, aligned for the type; nullptr: computed, or an input of the graph

  [[nodiscard]] bool present() const { return index >= 0; }
  [[nodiscard]] bool quantized() const { return scales.size() != 0; }
  [[nodiscard]] float scale(uint32_t channel = 0) const {
    return scales.size() == 0 ? 0.0f : scales[scales.size() > 1 ? channel : 0];
  }
  [[nodiscard]] int32_t zero_point(uint32_t channel = 0) const {
    return zero_points.size() == 0 ? 0 : static_cast<int32_t>(zero_points[zero_points.size() > 1 ? channel : 0]);
  }
  [[nodiscard]] bool per_channel() const { return scales.size() > 1; }
  // Counted from the last: last(0) is the innermost dimension; 1 beyond the first, as if the shape began with ones.
  [[nodiscard]] int32_t last(uint32_t back) const { return back < rank ? dims[rank - 1 - back] : 1; }
  [[nodiscard]] bool same_shape(const TensorInfo& other) const {
    if (rank != other.rank) return false;
    for (uint32_t i = 0; i < rank; ++i) {
      if (dims[i] != other.dims[i]) return false;
    }
    return true;
  }
};

// Bytes of one element; 0 for a type that the engine does not hold.
[[nodiscard]] uint32_t element_size(Type type);

struct Operation {
  OpCode code{};
  Table options;  // absent if the operator has none
  uint8_t options_type = 0;
  Vector<int32_t> inputs;   // indices of tensors, -1: left out
  Vector<int32_t> outputs;  // indices of tensors
};

class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;  // its tables point at its source
  Model& operator=(const Model&) = delete;

  // Checks everything but the tensors and the options of operators.
  [[nodiscard]] Status open(Bytes bytes, Diagnosis& diagnosis);
  [[nodiscard]] Status tensor(int32_t index, TensorInfo& into, Diagnosis& diagnosis) const;

  [[nodiscard]] uint32_t tensors() const { return tensors_.size(); }
  [[nodiscard]] uint32_t operations() const { return operations_.size(); }
  [[nodiscard]] Operation operation(uint32_t index) const;  // index < operations()
  [[nodiscard]] Bytes custom_name(uint32_t index) const;    // as it lies in the file; nothing of a builtin operator
  [[nodiscard]] const Vector<int32_t>& inputs() const { return inputs_; }
  [[nodiscard]] const Vector<int32_t>& outputs() const { return outputs_; }
  // Options are read after open(): whether one of them was broken.
  [[nodiscard]] bool broken() const { return source_.broken; }

 private:
  [[nodiscard]] Status open_graph(Diagnosis& diagnosis);
  [[nodiscard]] Status check_operands(Diagnosis& diagnosis) const;
  [[nodiscard]] Status check_order(Diagnosis& diagnosis) const;
  [[nodiscard]] Status read_shape(const Table& table, TensorInfo& into, Diagnosis& diagnosis) const;
  [[nodiscard]] Status read_quantization(const Table& table, TensorInfo& into, Diagnosis& diagnosis) const;
  [[nodiscard]] Status read_constant(const Table& table, TensorInfo& into, Diagnosis& diagnosis) const;

  Source source_;
  Tables codes_;
  Tables buffers_;
  Tables tensors_;
  Tables operations_;
  Vector<int32_t> inputs_;
  Vector<int32_t> outputs_;
};

}  // namespace edged::ml::native
