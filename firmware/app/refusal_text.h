// Why a model was refused, in a line of the log: "operator 3, code 32, twist: operator is not supported". What a code
// is called, the host knows.
#pragma once

#include <string_view>

#include "ml/engine.h"

namespace edged::app {

class RefusalText {
 public:
  explicit RefusalText(const ml::Diagnosis& diagnosis);
  [[nodiscard]] std::string_view text() const { return {text_, size_}; }

 private:
  // The longest line of the native engine has 114, with a custom operator's name. What does not fit is cut off.
  static constexpr size_t kMaxText = 160;
  void put(std::string_view text);
  void number(int32_t value);  // >= 0

  char text_[kMaxText];
  size_t size_ = 0;
};

}  // namespace edged::app
