// A version as people write it: "1.2.3", or "1.2.3.4" with a build number.
#pragma once

#include <string_view>

#include "boot/image.h"

namespace edged::boot {

class VersionText {
 public:
  explicit VersionText(const Version& version);
  [[nodiscard]] std::string_view text() const { return {text_, size_}; }

 private:
  static constexpr size_t kLongest = sizeof "255.255.65535.4294967295" - 1;
  void number(uint32_t value);

  char text_[kLongest];
  size_t size_ = 0;
};

}  // namespace edged::boot
