// Little-endian numbers in bytes, and bytes that are the same.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edged {

constexpr uint16_t get_u16(const uint8_t* from) { return static_cast<uint16_t>(from[0] | from[1] << 8); }
constexpr uint32_t get_u32(const uint8_t* from) {
  return static_cast<uint32_t>(get_u16(from)) | static_cast<uint32_t>(get_u16(from + 2)) << 16;
}
constexpr void put_u16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value);
  to[1] = static_cast<uint8_t>(value >> 8);
}
constexpr void put_u32(uint8_t* to, uint32_t value) {
  put_u16(to, static_cast<uint16_t>(value));
  put_u16(to + 2, static_cast<uint16_t>(value >> 16));
}

template <size_t N>
constexpr bool equal(const uint8_t (&a)[N], const uint8_t (&b)[N]) {
  for (size_t i = 0; i < N; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace edged
