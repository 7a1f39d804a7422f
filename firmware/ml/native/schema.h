// The numbers of TFLite's schema, version 3, that the engine knows: fields by the position in their table, and enums.
#pragma once

#include <cstdint>

namespace edged::ml::native {

inline constexpr char kIdentifier[] = "TFL3";  // bytes 4 to 8 of a file
inline constexpr uint32_t kSchemaVersion = 3;

namespace field {
namespace model {
enum : uint32_t { kVersion = 0, kOperatorCodes = 1, kSubgraphs = 2, kBuffers = 4 };
}
namespace operator_code {
enum : uint32_t { kShortCode = 0, kCustomName = 1, kCode = 3 };  // the code is the larger of both
}
namespace subgraph {
enum : uint32_t { kTensors = 0, kInputs = 1, kOutputs = 2, kOperators = 3 };
}
namespace tensor {
enum : uint32_t {
  kShape = 0,
  kType = 1,
  kBuffer = 2,
  kQuantization = 4,
  kIsVariable = 5,
  kSparsity = 6,
  kExternalBuffer = 10
};
}
namespace quantization {
enum : uint32_t { kScale = 2, kZeroPoint = 3, kDetailsType = 4, kDimension = 6 };
}
namespace buffer {
enum : uint32_t { kData = 0, kOffset = 1 };
}
namespace operation {
enum : uint32_t { kOpcodeIndex = 0, kInputs = 1, kOutputs = 2, kOptionsType = 3, kOptions = 4 };
}
}  // namespace field

// BuiltinOperator
enum class OpCode : int32_t {
  kAdd = 0,
  kAveragePool2d = 1,
  kConcatenation = 2,
  kConv2d = 3,
  kDepthwiseConv2d = 4,
  kDequantize = 6,
  kFullyConnected = 9,
  kLogistic = 14,
  kMaxPool2d = 17,
  kMul = 18,
  kRelu = 19,
  kRelu6 = 21,
  kReshape = 22,
  kResizeBilinear = 23,
  kSoftmax = 25,
  kSvdf = 27,
  kTanh = 28,
  kPad = 34,
  kTranspose = 39,
  kMean = 40,
  kSub = 41,
  kStridedSlice = 45,
  kSplit = 49,
  kMaximum = 55,
  kArgMax = 56,
  kMinimum = 57,
  kPadV2 = 60,
  kResizeNearestNeighbor = 97,
  kQuantize = 114,
};

enum class Padding : int8_t { kSame = 0, kValid = 1 };

// ActivationFunctionType, as far as any kernel of TFLite does them
enum class Activation : int8_t { kNone = 0, kRelu = 1, kReluN1To1 = 2, kRelu6 = 3 };

}  // namespace edged::ml::native
