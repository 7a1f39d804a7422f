#include "boot/version_text.h"

namespace edged::boot {

VersionText::VersionText(const Version& version) {
  number(version.major);
  text_[size_++] = '.';
  number(version.minor);
  text_[size_++] = '.';
  number(version.revision);
  if (version.build == 0) return;
  text_[size_++] = '.';
  number(version.build);
}

void VersionText::number(uint32_t value) {
  char digits[10];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count != 0) text_[size_++] = digits[--count];
}

}  // namespace edged::boot
