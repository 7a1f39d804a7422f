#include "protocol/os_group.h"

namespace edged::protocol {
namespace {

enum Command : uint8_t { kEcho = 0, kReset = 5, kParameters = 6 };

constexpr uint32_t kBootNormal = 0;
constexpr uint32_t kBootLoader = 1;

constexpr uint16_t kUnknown = 1;  // SMP's numbers of this group
constexpr uint16_t kInvalidFormat = 2;

}  // namespace

Status OsGroup::handle(const SmpHeader& header, CborReader& body, CborWriter& out) {
  if (header.command == kEcho && header.op == SmpOp::kWrite) {
    const Result<std::string_view> text = body.text_of("d");
    if (!text.ok()) return text.status();
    out.key("r").put_text(text.value());
    return Status::kOk;
  }
  if (header.command == kParameters && header.op == SmpOp::kRead) {
    out.key("buf_size").put_uint(kBufferSize);
    out.key("buf_count").put_uint(1);
    return Status::kOk;
  }
  if (header.command == kReset && header.op == SmpOp::kWrite) return reset(body);
  return Status::kUnsupported;
}

Status OsGroup::reset(const CborReader& body) {
  const Result<uint32_t> mode = body.uint_of("boot_mode", kBootNormal);
  if (!mode.ok()) return mode.status();
  if (mode.value() > kBootLoader) return Status::kUnsupported;
  reset_ = mode.value() == kBootLoader ? Reset::kStayInLoader : Reset::kStart;
  return Status::kOk;
}

uint16_t OsGroup::error(Status status) const {
  return status == Status::kTruncated || status == Status::kMalformed || status == Status::kNotFound ? kInvalidFormat
                                                                                                     : kUnknown;
}

}  // namespace edged::protocol
