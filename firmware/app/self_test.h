// All golden vectors of a model, one after the other.
#pragma once

#include "app/inference.h"
#include "hal/system.h"

namespace edged::app {

// Feeds the watchdog between two vectors, and ends at the first that comes out otherwise. The outcome is kept by
// `inference`.
void run_self_test(Inference& inference, hal::System& system);

}  // namespace edged::app
