// SMP's messages: a header and a map of CBOR. The server finds the group that a request is for and makes its answer
// whole; it knows no transport and keeps nothing between two requests.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"
#include "protocol/cbor.h"

namespace edged::protocol {

enum class SmpOp : uint8_t { kRead = 0, kReadAnswer = 1, kWrite = 2, kWriteAnswer = 3 };

// Eight bytes, most significant first: op and version (3 and 2 bits), flags, length of what follows, group, sequence
// number, command.
struct SmpHeader {
  static constexpr size_t kSize = 8;

  SmpOp op = SmpOp::kRead;
  uint8_t version = 0;  // 0 is SMP's version 1, 1 its version 2
  uint16_t length = 0;
  uint16_t group = 0;
  uint8_t sequence = 0;
  uint8_t command = 0;

  // kTruncated: not even a header.
  static Result<SmpHeader> parse(Bytes message);
  void write(MutableBytes into) const;  // into has room for kSize
};

// SMP's general numbers of errors.
enum class SmpError : uint8_t {
  kUnknown = 1,
  kNoMemory = 2,
  kInvalid = 3,
  kNoEntry = 5,
  kBadState = 6,
  kMessageSize = 7,
  kNotSupported = 8,
  kCorrupt = 9,
  kAccessDenied = 11,
  kTooNew = 13,
};

// Commands that belong together, one number of SMP's groups.
class SmpGroup {
 public:
  [[nodiscard]] virtual uint16_t id() const = 0;
  // Answers one request. Body is its map, known to be well formed; out is the map of the answer, already begun, and
  // ended by the server: a handler writes keys and values. After an error, nothing of what it wrote is sent.
  // kUnsupported stands for a command, or an op of it, that this group does not have.
  virtual Status handle(const SmpHeader& header, CborReader& body, CborWriter& out) = 0;
  // What a client that speaks version 2 reads for a status: a number of this group's own.
  [[nodiscard]] virtual uint16_t error(Status status) const { return static_cast<uint16_t>(status); }

 protected:
  ~SmpGroup() = default;
};

class SmpServer {
 public:
  // The groups, and the array of them, outlive the server.
  explicit SmpServer(Span<SmpGroup* const> groups) : groups_(groups) {}

  // The answer to a request, in the caller's memory: at least kMinAnswer bytes. kTruncated or kUnsupported: what came
  // is not a request, and there is none.
  Result<Bytes> answer(Bytes request, MutableBytes into) const;

  // Room for any answer that says no.
  static constexpr size_t kMinAnswer = SmpHeader::kSize + 24;

 private:
  struct Outcome;

  [[nodiscard]] Outcome handle(const SmpHeader& header, Bytes body, CborWriter& out) const;
  [[nodiscard]] SmpGroup* group(uint16_t id) const;

  Span<SmpGroup* const> groups_;
};

// What a client that speaks version 1 reads for a status.
[[nodiscard]] SmpError smp_error(Status status);

}  // namespace edged::protocol
