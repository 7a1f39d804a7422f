#include "ports/emcraft-sf2/nor.h"

#include "app/limits.h"

namespace edged::ports {
namespace {

constexpr uint32_t kSize = kNorGeometry.size;
constexpr uint32_t kSector = kNorGeometry.erase_size;
constexpr uint32_t kPage = kNorGeometry.page_size;

constexpr uint8_t kRead = 0x03, kProgram = 0x02, kEraseSector = 0xD8, kWriteEnable = 0x06, kReadStatus = 0x05,
                  kClearStatus = 0x30;
constexpr uint8_t kBusy = 1, kEraseFailed = 1 << 5, kProgramFailed = 1 << 6;

// The longest that the data sheets of the class give, and as much again.
constexpr uint32_t kProgramPatienceMs = 10;
constexpr uint32_t kErasePatienceMs = 4000;
static_assert(2 * kErasePatienceMs < app::kWatchdogMs, "an erase may have to wait for another one");

constexpr uint32_t kChunk = 256;  // bytes that are compared at a time when flash is read back

bool inside(uint32_t address, size_t size) { return address <= kSize && size <= kSize - address; }

}  // namespace

hal::Flash::Geometry Nor::geometry() const { return kNorGeometry; }

Status Nor::read(uint32_t address, MutableBytes into) {
  if (!inside(address, into.size())) return Status::kOutOfRange;
  if (const Status status = settle(); !ok(status)) return status;
  for (size_t done = 0; done < into.size();) {
    const uint32_t from = address + static_cast<uint32_t>(done);
    const uint8_t command[] = {kRead, static_cast<uint8_t>(from >> 16), static_cast<uint8_t>(from >> 8),
                               static_cast<uint8_t>(from)};
    const MutableBytes part = into.part(done, SpiBus::kMaxTransfer - sizeof(command));
    if (const Status status = spi_.transfer(command, {}, part); !ok(status)) return status;
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
  if (const Status status = settle(); !ok(status)) return status;
  if (const Status status = command(kWriteEnable); !ok(status)) return status;
  const uint8_t bytes[] = {opcode, static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 8),
                           static_cast<uint8_t>(address)};
  settled_ = false;
  if (const Status status = spi_.transfer(bytes, data, {}); !ok(status)) return status;
  const Status status = wait(patience_ms);
  settled_ = ok(status);
  return status;
}

// What was under way at a reset may have failed, or fail while it is waited for. Neither is the matter of who asks now:
// what it was to write is found by those who look at it. Only a chip that stays busy is a failure.
Status Nor::settle() {
  if (settled_) return Status::kOk;
  Result<bool> cleared = clear_error();
  if (!cleared.ok()) return cleared.status();
  Status status = wait(kErasePatienceMs);
  if (!ok(status)) {
    cleared = clear_error();
    if (!cleared.ok()) return cleared.status();
    if (cleared.value()) status = wait(kErasePatienceMs);
  }
  settled_ = ok(status);
  return status;
}

Result<bool> Nor::clear_error() {
  const Result<uint8_t> found = state();
  if (!found.ok()) return found.status();
  if ((found.value() & (kEraseFailed | kProgramFailed)) == 0) return false;
  if (const Status status = command(kClearStatus); !ok(status)) return status;
  return true;
}

// An error is told while the chip still says that it is busy.
Status Nor::wait(uint32_t patience_ms) {
  const uint32_t since = millis_();
  for (;;) {
    const Result<uint8_t> found = state();
    if (!found.ok()) return found.status();
    if ((found.value() & (kEraseFailed | kProgramFailed)) != 0) return Status::kFlashFailed;
    if ((found.value() & kBusy) == 0) return Status::kOk;
    if (millis_() - since > patience_ms) return Status::kFlashFailed;
  }
}

Status Nor::command(uint8_t opcode) {
  const uint8_t bytes[] = {opcode};
  return spi_.transfer(bytes, {}, {});
}

Result<uint8_t> Nor::state() {
  const uint8_t ask[] = {kReadStatus};
  uint8_t answer[1] = {};
  if (const Status status = spi_.transfer(ask, {}, answer); !ok(status)) return status;
  return answer[0];
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
