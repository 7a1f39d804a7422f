// Every operator that there is. registry.cc, made by CMake, lists those of a build.
#pragma once

#include "ml/native/op.h"

namespace edged::ml::native {

extern const Operator kAveragePool2d;
extern const Operator kConv2d;
extern const Operator kDepthwiseConv2d;
extern const Operator kFullyConnected;
extern const Operator kMaxPool2d;
extern const Operator kReshape;
extern const Operator kSoftmax;

}  // namespace edged::ml::native
