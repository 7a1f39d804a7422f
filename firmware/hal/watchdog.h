// What has to hear from a program that it goes on.
#pragma once

namespace edged::hal {

class Watchdog {
 public:
  virtual void feed_watchdog() = 0;

 protected:
  ~Watchdog() = default;
};

}  // namespace edged::hal
