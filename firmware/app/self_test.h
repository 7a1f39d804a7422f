// All golden vectors of a model, one after the other.
#pragma once

#include "app/inference.h"

namespace edged::app {

// Who has to do something between two steps of what takes long.
class Upkeep {
 public:
  virtual void keep_up() = 0;
  [[nodiscard]] virtual uint32_t now_ms() = 0;

 protected:
  ~Upkeep() = default;
};

// Ends at the first vector that comes out otherwise, or that it did not come to within the time of a trial: a device is
// not mute for hours because a package has thousands of them, and what was not tested has not passed. The outcome is
// kept by `inference`, whose model begins anew.
void run_self_test(Inference& inference, Upkeep& upkeep);

}  // namespace edged::app
