#include "app/testing/host.h"

#include "protocol/smp_frame.h"

namespace edged::app::testing {
namespace {

// Empty: not COBS.
Blob decoded(const Blob& stuffed) {
  Blob plain;
  for (size_t at = 0; at < stuffed.size(); at += stuffed[at]) {
    if (stuffed[at] > stuffed.size() - at) return {};
    plain.insert(plain.end(), stuffed.begin() + static_cast<std::ptrdiff_t>(at + 1),
                 stuffed.begin() + static_cast<std::ptrdiff_t>(at + stuffed[at]));
    if (at + stuffed[at] < stuffed.size() && stuffed[at] != 255) plain.push_back(0);
  }
  return plain;
}

}  // namespace

Blob request(protocol::SmpOp op, uint16_t group, uint8_t command,
             const std::function<void(protocol::CborWriter&)>& body) {
  uint8_t message[512];
  protocol::CborWriter map(MutableBytes(message).from(protocol::SmpHeader::kSize));
  map.begin_map();
  body(map);
  map.end();
  protocol::SmpHeader header;
  header.op = op;
  header.length = static_cast<uint16_t>(map.written().size());
  header.group = group;
  header.command = command;
  header.write(message);
  Blob packet;
  protocol::SmpEncoder encoder(Bytes(message).first(protocol::SmpHeader::kSize + header.length));
  for (Bytes line = encoder.next_line(); !line.empty(); line = encoder.next_line()) {
    packet.insert(packet.end(), line.begin(), line.end());
  }
  return packet;
}

std::vector<Blob> answers(const Blob& sent) {
  static uint8_t memory[protocol::kMaxMessage];
  protocol::SmpReceiver receiver(memory);
  std::vector<Blob> found;
  for (const uint8_t byte : sent) {
    const Result<Bytes> message = receiver.feed(byte);
    if (message.ok()) found.emplace_back(message.value().begin() + protocol::SmpHeader::kSize, message.value().end());
  }
  return found;
}

std::string_view text_of(const Blob& answer, std::string_view key) {
  const Result<std::string_view> text = protocol::CborReader(Bytes(answer.data(), answer.size())).text_of(key);
  return text.ok() ? text.value() : std::string_view("(none)");
}

std::vector<Blob> reports(const Blob& sent, protocol::ReportType type) {
  std::vector<Blob> found;
  Blob piece;
  for (const uint8_t byte : sent) {
    if (byte != 0) {
      piece.push_back(byte);
      continue;
    }
    const Blob frame = decoded(piece);
    piece.clear();
    constexpr size_t kLeast = protocol::kReportHeader + protocol::kReportChecksum;
    if (frame.size() < kLeast || frame[1] != static_cast<uint8_t>(type)) continue;
    found.emplace_back(frame.begin() + protocol::kReportHeader, frame.end() - protocol::kReportChecksum);
  }
  return found;
}

}  // namespace edged::app::testing
