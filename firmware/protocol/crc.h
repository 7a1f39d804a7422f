// The two checksums of the wire and of flash records. Each continues from what came before, as zlib's crc32() does.
#pragma once

#include <cstdint>

#include "core/span.h"

namespace edged::protocol {

// CRC-16/XMODEM: polynomial 0x1021, begins with 0, not reflected. Of a message followed by its own checksum, most
// significant byte first, it is 0.
[[nodiscard]] uint16_t crc16(Bytes data, uint16_t so_far = 0);

// CRC-32 of IEEE 802.3, the one of zlib: polynomial 0x04C11DB7, reflected, inverted at both ends.
[[nodiscard]] uint32_t crc32(Bytes data, uint32_t so_far = 0);

}  // namespace edged::protocol
