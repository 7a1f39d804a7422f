// Every operator that there is. registry.cc lists those of a build.
#pragma once

#include "ml/native/op.h"

namespace edged::ml::native {

extern const Operator kFullyConnected;
extern const Operator kReshape;

}  // namespace edged::ml::native
