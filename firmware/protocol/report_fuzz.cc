// What a device sends, whatever is to be reported. For every input:
//   zeros are only at both ends of a frame, and it is no longer than the limit;
//   undone by a decoder that knows only the definition of COBS, it holds version, type, sequence number, the body and
//   its checksum, and the body begins as its fields say.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "protocol/crc.h"
#include "protocol/report.h"
#include "protocol/wire.h"

namespace edged::protocol {
namespace {

using Blob = std::vector<uint8_t>;

void hold(bool condition) {
  if (!condition) std::abort();
}

class Recorder final : public hal::Serial {
 public:
  size_t read(MutableBytes /*into*/) override { return 0; }
  void write(Bytes from) override { written.insert(written.end(), from.begin(), from.end()); }
  uint32_t overruns() const override { return 0; }

  Blob written;
};

// Cuts an input into values, zeros after its end.
class Input {
 public:
  explicit Input(Bytes data) : data_(data) {}

  uint8_t u8() {
    const uint8_t value = data_.empty() ? uint8_t{0} : data_[0];
    data_ = data_.from(1);
    return value;
  }
  uint32_t u32() { return u8() | static_cast<uint32_t>(u8()) << 12 | static_cast<uint32_t>(u8()) << 24; }
  Bytes bytes(size_t at_most) {
    const Bytes taken = data_.first(at_most);
    data_ = data_.from(taken.size());
    return taken;
  }
  std::string_view text() {
    const Bytes taken = bytes(u8() * 2u);
    return std::string_view(reinterpret_cast<const char*>(taken.data()), taken.size());
  }

 private:
  Bytes data_;
};

Blob unstuffed(Bytes frame) {
  Blob data;
  for (size_t at = 0; at < frame.size();) {
    const size_t count = frame[at];
    hold(count > 0 && at + count <= frame.size());
    data.insert(data.end(), frame.data() + at + 1, frame.data() + at + count);
    at += count;
    if (count < kCobsFull && at < frame.size()) data.push_back(0);
  }
  return data;
}

template <typename Report>
void send(uint8_t sent_before, const Report& report) {
  Recorder line;
  Wire wire(line, MutableBytes());
  for (uint8_t i = 0; i < sent_before; ++i) hold(ok(wire.report(Bye())));
  line.written.clear();
  uint8_t memory[kMaxBody];
  const Result<Bytes> body = encode(report, memory);
  hold(wire.report(report) == body.status());
  if (!body.ok()) return hold(line.written.empty());

  const Bytes all(line.written.data(), line.written.size());
  hold(all[0] == 0 && all[all.size() - 1] == 0);
  const Bytes stuffed = all.part(1, all.size() - 2);
  hold(stuffed.size() <= kMaxReport + kMaxReport / 254 + 1);
  hold(std::memchr(stuffed.data(), 0, stuffed.size()) == nullptr);
  const Blob frame = unstuffed(stuffed);
  hold(frame.size() == kReportHeader + body.value().size() + kReportChecksum);
  hold(frame[0] == kReportVersion && frame[1] == static_cast<uint8_t>(Report::kType) && frame[2] == sent_before &&
       frame[3] == 0);
  hold(std::memcmp(frame.data() + kReportHeader, body.value().data(), body.value().size()) == 0);
  const size_t checked = frame.size() - kReportChecksum;
  hold(crc32(Bytes(frame.data(), checked)) == get_u32(frame.data() + checked));
}

void run(Input input) {
  const uint8_t kind = input.u8();
  const uint8_t before = input.u8() % 4;
  if (kind % 3 == 0) {
    Hello hello;
    hello.boots = input.u32();
    hello.board = input.text();
    hello.fw_version = input.text();
    hello.engine = input.text();
    hello.model_version = input.text();
    hello.model_name = input.text();
    send(before, hello);
  } else if (kind % 3 == 1) {
    ResultReport result;
    result.inference = input.u32();
    result.zero_point = static_cast<int32_t>(input.u32());
    result.output = input.u8();
    result.data = input.bytes(SIZE_MAX);
    send(before, result);
  } else {
    Log log;
    const Bytes text = input.bytes(SIZE_MAX);
    log.text = std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
    send(before, log);
  }
}

}  // namespace
}  // namespace edged::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  edged::protocol::run(edged::protocol::Input(edged::Bytes(data, size)));
  return 0;
}
