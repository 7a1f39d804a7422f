#include "app/refusal_text.h"

#include <algorithm>

#include "app/limits.h"

namespace edged::app {

RefusalText::RefusalText(const ml::Diagnosis& diagnosis) {
  if (diagnosis.op_index >= 0) {
    put("operator ");
    number(diagnosis.op_index);
    if (diagnosis.op_code >= 0) {
      put(", code ");
      number(diagnosis.op_code);
    }
    if (!diagnosis.custom.empty()) {
      const Bytes name = diagnosis.custom.first(kMaxCustomName);
      put(", ");
      put({reinterpret_cast<const char*>(name.data()), name.size()});
    }
    put(": ");
  }
  put(diagnosis.what);
}

void RefusalText::put(std::string_view text) {
  const size_t count = std::min(text.size(), kMaxText - size_);
  std::copy_n(text.begin(), count, text_ + size_);
  size_ += count;
}

void RefusalText::number(int32_t value) {
  char digits[10];  // of 2^31
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (count > 0) put({&digits[--count], 1});
}

}  // namespace edged::app
