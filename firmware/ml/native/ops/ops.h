// Every operator that there is. registry.cc, made by CMake, lists those of a build.
#pragma once

#include "ml/native/op.h"

namespace edged::ml::native {

extern const Operator kAdd;
extern const Operator kArgMax;
extern const Operator kAveragePool2d;
extern const Operator kConcatenation;
extern const Operator kConv2d;
extern const Operator kDepthwiseConv2d;
extern const Operator kDequantize;
extern const Operator kFullyConnected;
extern const Operator kLogistic;
extern const Operator kMaxPool2d;
extern const Operator kMaximum;
extern const Operator kMean;
extern const Operator kMinimum;
extern const Operator kMul;
extern const Operator kPad;
extern const Operator kPadv2;
extern const Operator kQuantize;
extern const Operator kRelu;
extern const Operator kRelu6;
extern const Operator kReshape;
extern const Operator kResizeBilinear;
extern const Operator kResizeNearestNeighbor;
extern const Operator kSoftmax;
extern const Operator kSplit;
extern const Operator kStridedSlice;
extern const Operator kSub;
extern const Operator kSvdf;
extern const Operator kTanh;
extern const Operator kTranspose;

}  // namespace edged::ml::native
