#include "protocol/smp_server.h"

namespace edged::protocol {
namespace {

constexpr uint8_t kNewestVersion = 1;

uint16_t big16(Bytes at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

// Nothing but one map, whole and not too deep.
Status check(Bytes body) {
  if (body.empty() || body[0] >> 5 != 5) return Status::kMalformed;  // major type 5
  CborReader reader(body);
  const Status status = reader.skip();
  if (!ok(status)) return status;
  return reader.at_end() ? Status::kOk : Status::kMalformed;
}

}  // namespace

Result<SmpHeader> SmpHeader::parse(Bytes message) {
  if (message.size() < kSize) return Status::kTruncated;
  SmpHeader header;
  header.op = static_cast<SmpOp>(message[0] & 0x07);
  header.version = (message[0] >> 3) & 0x03;
  header.length = big16(message.from(2));
  header.group = big16(message.from(4));
  header.sequence = message[6];
  header.command = message[7];
  return header;
}

void SmpHeader::write(MutableBytes into) const {
  into[0] = static_cast<uint8_t>(version << 3 | static_cast<uint8_t>(op));
  into[1] = 0;
  into[2] = static_cast<uint8_t>(length >> 8);
  into[3] = static_cast<uint8_t>(length);
  into[4] = static_cast<uint8_t>(group >> 8);
  into[5] = static_cast<uint8_t>(group);
  into[6] = sequence;
  into[7] = command;
}

SmpError smp_error(Status status) {
  switch (status) {
    case Status::kTruncated:
    case Status::kMalformed:
    case Status::kOutOfRange:
      return SmpError::kInvalid;
    case Status::kCorrupt:
      return SmpError::kCorrupt;
    case Status::kUnsupported:
      return SmpError::kNotSupported;
    case Status::kTooLarge:
      return SmpError::kNoMemory;
    case Status::kWrongState:
    case Status::kSelfTest:
      return SmpError::kBadState;
    case Status::kUnsigned:
    case Status::kDowngrade:
    case Status::kWrongBoard:
      return SmpError::kAccessDenied;
    case Status::kNotFound:
      return SmpError::kNoEntry;
    case Status::kOk:
    case Status::kFlashFailed:
      break;
  }
  return SmpError::kUnknown;
}

SmpGroup* SmpServer::group(uint16_t id) const {
  for (SmpGroup* const one : groups_) {
    if (one->id() == id) return one;
  }
  return nullptr;
}

// What became of a request: the group that handled it, if one did, and how it is to be said where that is general.
struct SmpServer::Outcome {
  Status status;
  SmpError general;
  const SmpGroup* by;
};

SmpServer::Outcome SmpServer::handle(const SmpHeader& header, Bytes body, CborWriter& out) const {
  if (header.version > kNewestVersion) return {Status::kUnsupported, SmpError::kTooNew, nullptr};
  const Status formed = body.size() == header.length ? check(body) : Status::kMalformed;
  if (!ok(formed)) return {formed, SmpError::kInvalid, nullptr};
  SmpGroup* const by = group(header.group);
  if (by == nullptr) return {Status::kUnsupported, SmpError::kNotSupported, nullptr};
  out.begin_map();
  CborReader reader(body);
  const Status status = by->handle(header, reader, out);
  out.end();
  if (ok(status)) return {out.status(), SmpError::kMessageSize, nullptr};
  return {status, smp_error(status), status == Status::kUnsupported ? nullptr : by};
}

Result<Bytes> SmpServer::answer(Bytes request, MutableBytes into) const {
  const Result<SmpHeader> parsed = SmpHeader::parse(request);
  if (!parsed.ok()) return parsed.status();
  SmpHeader header = parsed.value();
  if (header.op != SmpOp::kRead && header.op != SmpOp::kWrite) return Status::kUnsupported;

  const MutableBytes room = into.from(SmpHeader::kSize);
  CborWriter out(room);
  const Outcome outcome = handle(header, request.from(SmpHeader::kSize), out);
  if (!ok(outcome.status)) {
    out = CborWriter(room);
    out.begin_map();
    if (outcome.by != nullptr && header.version == kNewestVersion) {
      out.key("err").begin_map();
      out.key("group").put_uint(header.group);
      out.key("rc").put_uint(outcome.by->error(outcome.status));
      out.end();
    } else {
      out.key("rc").put_uint(static_cast<uint8_t>(outcome.general));
    }
    out.end();
  }

  header.op = header.op == SmpOp::kRead ? SmpOp::kReadAnswer : SmpOp::kWriteAnswer;
  if (header.version > kNewestVersion) header.version = kNewestVersion;
  header.length = static_cast<uint16_t>(out.written().size());
  header.write(into);
  return Bytes(into).first(SmpHeader::kSize + out.written().size());
}

}  // namespace edged::protocol
