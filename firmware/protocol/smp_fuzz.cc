// Hostile bytes from the host. For every input:
//   the receiver stays within its buffer, and finds a good packet after whatever came before it, and nothing else in
//   it; a request of any bytes is answered by a message that is whole: its own length, one map of CBOR, the request's
//   sequence number and group, in no more room than was given; or not at all, if it is no request; the reader ends at
//   the end of what it was given, whatever it is asked for.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "protocol/cbor.h"
#include "protocol/os_group.h"
#include "protocol/smp_frame.h"
#include "protocol/smp_server.h"

namespace edged::protocol {
namespace {

void hold(bool condition) {
  if (!condition) std::abort();
}

bool whole(Bytes map) {
  CborReader reader(map);
  return ok(reader.skip()) && reader.at_end();
}

// Asks for everything that handlers ask for, and answers with what it found.
class Curious final : public SmpGroup {
 public:
  uint16_t id() const override { return 1; }
  Status handle(const SmpHeader& header, CborReader& body, CborWriter& out) override {
    for (const char* const key : {"off", "data", "sha", "image", "len", "upgrade", "d"}) {
      const Result<uint32_t> number = body.uint_of(key, header.command);
      const Result<bool> flag = body.bool_of(key);
      const Result<Bytes> bytes = body.bytes_of(key);
      const Result<std::string_view> text = body.text_of(key);
      hold(number.ok() + flag.ok() + bytes.ok() + text.ok() <= 1 || body.find(key).status() == Status::kNotFound);
      if (number.ok()) out.key(key).put_int(-int64_t{number.value()});
      if (flag.ok()) out.key(key).put_bool(flag.value());
      if (bytes.ok()) out.key(key).put_bytes(bytes.value());
      if (text.ok()) out.key(key).put_text(text.value());
    }
    return static_cast<Status>(header.command % 14);
  }
};

void answer(Bytes request) {
  OsGroup os;
  Curious curious;
  SmpGroup* const groups[] = {&os, &curious};
  for (const size_t room : {SmpServer::kMinAnswer, size_t{100}, kMaxMessage}) {
    std::vector<uint8_t> memory(room);
    const Result<Bytes> answered = SmpServer(groups).answer(request, MutableBytes(memory.data(), memory.size()));
    if (!answered.ok()) {
      hold(request.size() < SmpHeader::kSize || (request[0] & 0x05) != 0);
      continue;
    }
    const Bytes message = answered.value();
    const SmpHeader header = SmpHeader::parse(message).value();
    hold(header.length == message.size() - SmpHeader::kSize);
    hold(header.sequence == request[6] && header.command == request[7]);
    hold(header.group == (request[4] << 8 | request[5]));
    hold(whole(message.from(SmpHeader::kSize)));
  }
}

void receive(Bytes stream) {
  constexpr size_t kRoom = 64;
  const uint8_t known[kRoom] = {1, 2, 3};
  std::vector<uint8_t> memory(kRoom);
  SmpReceiver receiver(MutableBytes(memory.data(), memory.size()));
  for (const uint8_t byte : stream) {
    const Result<Bytes> message = receiver.feed(byte);
    if (message.ok()) answer(message.value());
  }
  SmpEncoder encoder(known);
  size_t found = 0;
  for (Bytes line = encoder.next_line(); !line.empty(); line = encoder.next_line()) {
    for (const uint8_t byte : line) {
      const Result<Bytes> message = receiver.feed(byte);
      if (!message.ok()) continue;
      ++found;
      hold(message.value().size() == kRoom && std::memcmp(message.value().data(), known, kRoom) == 0);
    }
  }
  hold(found == 1);
}

void read(Bytes data) {
  CborReader skipping(data);
  while (!skipping.at_end() && ok(skipping.skip())) {
  }
  CborReader reading(data);
  if (reading.bytes().ok()) (void)reading.text();
  (void)reading.uint();
}

void run(Bytes input) {
  // A copy of its own, so that a byte read beyond its end is seen.
  const std::vector<uint8_t> copy(input.begin(), input.end());
  const Bytes data(copy.data(), copy.size());
  receive(data);
  answer(data);
  read(data);
}

}  // namespace
}  // namespace edged::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  edged::protocol::run(edged::Bytes(data, size));
  return 0;
}
