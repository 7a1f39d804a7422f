// An engine of a test, linked in the place of a real one: its models are three numbers, it takes what time a test
// wants, and it remembers.
#pragma once

#include <cstdint>

#include "ml/engine.h"

namespace edged::app::testing {

// As the bytes of a package's model. One output of four bytes: each is the sum of all first bytes of first inputs since
// the model knows of.
struct FakeModel {
  uint8_t refused = 0;  // 1: the engine does not take its operator "twist"; 2: nor one of 5,000 bytes that are no text
  uint8_t inputs = 1;
  uint16_t input_bytes = 4;
};

// Called within each invoke.
extern void (*on_invoke)();

}  // namespace edged::app::testing
