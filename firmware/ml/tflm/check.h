// What TensorFlow Lite Micro takes for granted of a model, checked before it sees one.
#pragma once

#include "core/span.h"
#include "ml/engine.h"
#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace edged::ml::tflm {

struct Checked {
  const tflite::Model* model = nullptr;  // null: refused
  uint32_t variables = 0;                // operators that name a variable: at least as many as there are variables
};

// Whether every reference of the file leads into the file, every tensor that is read was written or has a value, and
// every operator is one of `resolver`. `scratch` is overwritten: a byte for each tensor of a graph. What an operator
// makes of its operands and options is for TFLM to check.
[[nodiscard]] Checked check(Bytes model, MutableBytes scratch, const tflite::MicroOpResolver& resolver,
                            Diagnosis& diagnosis);

}  // namespace edged::ml::tflm
