#include "protocol/crc.h"

namespace edged::protocol {
namespace {

// Half a byte at a time: 96 bytes of tables instead of 1.5 KB, and still far faster than any serial line.
struct Tables {
  uint16_t crc16[16] = {};
  uint32_t crc32[16] = {};

  constexpr Tables() {
    for (uint32_t nibble = 0; nibble < 16; ++nibble) {
      uint32_t high = nibble << 12;
      uint32_t low = nibble;
      for (int bit = 0; bit < 4; ++bit) {
        high = (high & 0x8000) != 0 ? (high << 1) ^ 0x1021 : high << 1;
        low = (low & 1) != 0 ? (low >> 1) ^ 0xEDB88320 : low >> 1;
      }
      crc16[nibble] = static_cast<uint16_t>(high);
      crc32[nibble] = low;
    }
  }
};

constexpr Tables kTables;

}  // namespace

uint16_t crc16(Bytes data, uint16_t so_far) {
  uint32_t crc = so_far;
  for (const uint8_t byte : data) {
    crc = (crc << 4) ^ kTables.crc16[((crc >> 12) ^ (byte >> 4)) & 0xF];
    crc = (crc << 4) ^ kTables.crc16[((crc >> 12) ^ byte) & 0xF];
  }
  return static_cast<uint16_t>(crc);
}

uint32_t crc32(Bytes data, uint32_t so_far) {
  uint32_t crc = ~so_far;
  for (const uint8_t byte : data) {
    crc = (crc >> 4) ^ kTables.crc32[(crc ^ byte) & 0xF];
    crc = (crc >> 4) ^ kTables.crc32[(crc ^ (byte >> 4)) & 0xF];
  }
  return ~crc;
}

}  // namespace edged::protocol
