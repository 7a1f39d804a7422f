// The one interface to a runtime. ml/native and ml/tflm each define Engine; a build links one of them.
//
// Rules: the model is read in place and outlives the engine; the arena is the caller's and is all the memory that an
// engine takes besides itself; load() checks everything that invoke() relies on, so that invoke() never meets a
// surprise.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"

namespace edged::ml {

inline constexpr uint32_t kMaxRank = 6;          // most dimensions of a tensor that any supported operator handles
inline constexpr uint32_t kArenaAlignment = 16;  // bytes; of the arena and of every tensor in it
inline constexpr uint32_t kModelAlignment = 16;  // bytes; of the .tflite in memory, as its writer aligned its buffers

// What an invoke takes at most. Engine `native` refuses a model that might take longer on the core that it is built
// for; with `tflm` it is the watchdog that ends it.
inline constexpr uint32_t kMaxInvokeMs = 8000;

// BuiltinOperator of TFLite's schema: the one whose name is a text of the model's, and the last that 8 bits may hold,
// with room for a generation of operators; the schema of 2026 ends at 209.
inline constexpr int32_t kCustomCode = 32;
inline constexpr int32_t kMaxOperatorCode = 255;

// Numbers of TFLite's schema (TensorType).
enum class Type : uint8_t { kFloat32 = 0, kInt32 = 2, kUint8 = 3, kInt64 = 4, kBool = 6, kInt16 = 7, kInt8 = 9 };

struct Tensor {
  Type type = Type::kInt8;
  uint8_t rank = 0;
  int32_t dims[kMaxRank] = {};
  float scale = 0;  // real = scale * (value - zero_point); 0 where the tensor is not quantised
  int32_t zero_point = 0;
  uint8_t* data = nullptr;
  uint32_t bytes = 0;
};

// Why a model was refused, for people: the first thing found.
struct Diagnosis {
  Status status = Status::kOk;
  const char* what = "";  // a fixed text: "operator is not supported", "arena is too small"
  int32_t op_index = -1;  // position in the graph's order of execution, -1 where no operator is concerned
  int32_t op_code = -1;   // BuiltinOperator of TFLite's schema, -1 likewise
  uint32_t needed = 0;    // bytes of arena, where that is what lacks
  Bytes custom;           // name of a custom operator that is not supported, as the model has it, where it lies there
};

class Engine {
 public:
  // Checks the model and plans its memory. After an error the engine holds no model.
  [[nodiscard]] Status load(Bytes model, MutableBytes arena);
  [[nodiscard]] Status invoke();
  // Forgets what operators kept of earlier invokes (SVDF): the next one is as the first after load().
  void reset_state();

  [[nodiscard]] uint32_t inputs() const;
  [[nodiscard]] uint32_t outputs() const;
  [[nodiscard]] Tensor input(uint32_t index) const;   // where to write; index < inputs()
  [[nodiscard]] Tensor output(uint32_t index) const;  // where to read until the next invoke; index < outputs()
  [[nodiscard]] uint32_t arena_used() const;          // bytes, everything that lies in the arena included
  [[nodiscard]] const Diagnosis& diagnosis() const { return diagnosis_; }
  [[nodiscard]] static const char* name();  // "native" or "tflm"
  // Whether this build has the operator of this BuiltinOperator; for kCustomCode, whether it may have custom ones.
  [[nodiscard]] static bool has_operator(int32_t code);

 private:
  Diagnosis diagnosis_;
  void* state_ = nullptr;  // lies in the arena
};

}  // namespace edged::ml
