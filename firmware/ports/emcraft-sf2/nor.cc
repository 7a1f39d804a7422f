#include "nor.h"

#include "ports/common/board.h"

namespace edged::ports {
namespace {

constexpr uint32_t kSize = 16u << 20;
constexpr uint32_t kSector = 64u << 10;
constexpr uint32_t kPage = 256;

constexpr uint8_t kRead = 0x03, kProgram = 0x02, kEraseSector = 0xD8, kWriteEnable = 0x06, kReadStatus = 0x05;
constexpr uint8_t kBusy = 1, kEraseFailed = 1 << 5, kProgramFailed = 1 << 6;

// The longest that the data sheets of the class give, and as much again.
constexpr uint32_t kProgramPatienceMs = 10;
constexpr uint32_t kErasePatienceMs = 4000;

constexpr uint32_t kChunk = 256;  // bytes that are compared at a time when flash is read back

bool inside(uint32_t address, size_t size) { return address <= kSize && size <= kSize - address; }

}  // namespace

hal::Flash::Geometry Nor::geometry() const { return {kSize, kSector, 1, kPage}; }

Status Nor::read(uint32_t address, MutableBytes into) {
  if (!inside(address, into.size())) return Status::kOutOfRange;
  for (size_t done = 0; done < into.size();) {
    const uint32_t from = address + static_cast<uint32_t>(done);
    const uint8_t command[] = {kRead, static_cast<uint8_t>(from >> 16), static_cast<uint8_t>(from >> 8),
                               static_cast<uint8_t>(from)};
    const MutableBytes part = into.part(done, Spi::kMaxTransfer - sizeof(command));
    spi_.transfer(command, {}, part);
    done += part.size();
  }
  return Status::kOk;
}

Status Nor::program(uint32_t address, Bytes from) {
  if (!inside(address, from.size())) return Status::kOutOfRange;
  for (size_t done = 0; done < from.size();) {
    const uint32_t to = address + static_cast<uint32_t>(done);
    const Bytes part = from.part(done, kPage - to % kPage);  // a program never leaves its page: it would wrap
    if (const Status status = write(kProgram, to, part, kProgramPatienceMs); !ok(status)) return status;
    if (const Status status = verify(to, part); !ok(status)) return status;
    done += part.size();
  }
  return Status::kOk;
}

Status Nor::erase(uint32_t address) {
  if (address % kSector != 0 || !inside(address, kSector)) return Status::kOutOfRange;
  if (const Status status = write(kEraseSector, address, {}, kErasePatienceMs); !ok(status)) return status;
  uint8_t blank[kChunk];
  for (uint8_t& byte : blank) byte = 0xFF;
  for (uint32_t offset = 0; offset < kSector; offset += kChunk) {
    if (const Status status = verify(address + offset, blank); !ok(status)) return status;
  }
  return Status::kOk;
}

Status Nor::write(uint8_t opcode, uint32_t address, Bytes data, uint32_t patience_ms) {
  const uint8_t enable[] = {kWriteEnable};
  spi_.transfer(enable, {}, {});
  const uint8_t command[] = {opcode, static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 8),
                             static_cast<uint8_t>(address)};
  spi_.transfer(command, data, {});
  const uint32_t since = system().millis();
  for (;;) {
    const uint8_t ask[] = {kReadStatus};
    uint8_t state[1] = {};
    spi_.transfer(ask, {}, state);
    if ((state[0] & (kEraseFailed | kProgramFailed)) != 0) return Status::kFlashFailed;
    if ((state[0] & kBusy) == 0) return Status::kOk;
    if (system().millis() - since > patience_ms) return Status::kFlashFailed;
  }
}

Status Nor::verify(uint32_t address, Bytes expected) {
  uint8_t found[kChunk];
  const MutableBytes part = MutableBytes(found).first(expected.size());
  if (const Status status = read(address, part); !ok(status)) return status;
  for (size_t i = 0; i < part.size(); ++i) {
    if (found[i] != expected[i]) return Status::kFlashFailed;
  }
  return Status::kOk;
}

}  // namespace edged::ports
