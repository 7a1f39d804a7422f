#include "protocol/smp_frame.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace edged::protocol {
namespace {

using Blob = std::vector<uint8_t>;

Bytes view(const Blob& blob) { return Bytes(blob.data(), blob.size()); }
Blob blob(Bytes bytes) { return Blob(bytes.begin(), bytes.end()); }
Blob blob(const std::string& text) { return Blob(text.begin(), text.end()); }

Blob encoded(const Blob& message) {
  SmpEncoder encoder(view(message));
  Blob all;
  for (Bytes line = encoder.next_line(); !line.empty(); line = encoder.next_line()) {
    EXPECT_LE(line.size(), kMaxLine);
    all.insert(all.end(), line.begin(), line.end());
  }
  return all;
}

Blob counting(size_t size) {
  Blob message(size);
  std::iota(message.begin(), message.end(), uint8_t{0});
  return message;
}

Blob operator+(Blob left, const Blob& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// What a stream gives: messages, and an empty one with a status where a packet was lost.
struct Receiver {
  std::vector<uint8_t> memory;
  SmpReceiver smp;
  std::vector<Blob> messages;
  std::vector<Status> lost;

  explicit Receiver(size_t size = kMaxMessage) : memory(size), smp(MutableBytes(memory.data(), memory.size())) {}

  void feed(const Blob& stream) {
    for (const uint8_t byte : stream) {
      const Result<Bytes> got = smp.feed(byte);
      if (got.ok()) messages.push_back(blob(got.value()));
      if (!got.ok() && got.status() != Status::kNotFound) lost.push_back(got.status());
    }
  }
};

using Statuses = std::vector<Status>;

TEST(SmpFrame, MessagesOfEveryLengthAroundTheBordersOfLinesComeBack) {
  for (const size_t size : {0u, 1u, 2u, 3u, 88u, 89u, 90u, 91u, 181u, 182u, 183u, 184u, 4095u, 4096u}) {
    Receiver receiver;
    receiver.feed(encoded(counting(size)));
    ASSERT_EQ(receiver.messages, std::vector<Blob>{counting(size)}) << size;
    EXPECT_TRUE(receiver.lost.empty());
  }
}

TEST(SmpFrame, AKnownPacketLooksAsSmpWritesIt) {
  EXPECT_EQ(encoded(blob("Hello, world!")), blob("\x06\tAA9IZWxsbywgd29ybGQhet4=\n"));
}

TEST(SmpFrame, APacketMayBeginAnywhereAndLosesWhatWasOpen) {
  const Blob packet = encoded(counting(200));
  Receiver receiver;
  receiver.feed(Blob(packet.begin(), packet.begin() + 150) + packet);
  EXPECT_EQ(receiver.lost, Statuses{Status::kTruncated});
  EXPECT_EQ(receiver.messages, std::vector<Blob>{counting(200)});
}

TEST(SmpFrame, APacketThatIsTooLargeIsLostOnceAndTheNextIsFound) {
  Receiver receiver(100);
  receiver.feed(encoded(counting(1000)) + encoded(counting(100)));
  EXPECT_EQ(receiver.lost, Statuses{Status::kTooLarge});
  EXPECT_EQ(receiver.messages, std::vector<Blob>{counting(100)});
}

TEST(SmpFrame, EverySingleFlippedBitLosesThePacketButNotTheNext) {
  const Blob packet = encoded(counting(100));
  for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
    Blob damaged = packet;
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    Receiver receiver;
    receiver.feed(damaged + encoded(counting(10)));
    ASSERT_EQ(receiver.messages.back(), counting(10)) << bit;
    // A bit of the last character that carries none of the message may flip unseen.
    for (const Blob& message : receiver.messages)
      ASSERT_TRUE(message == counting(100) || message == counting(10)) << bit;
  }
}

TEST(SmpFrame, TextBetweenLinesIsNothing) {
  const Blob packet = encoded(counting(120));
  const auto second = packet.begin() + 127;
  Receiver receiver;
  receiver.feed(blob("boot\n") + Blob(packet.begin(), second) + blob("a message\n") + Blob(second, packet.end()));
  EXPECT_TRUE(receiver.lost.empty());
  EXPECT_EQ(receiver.messages, std::vector<Blob>{counting(120)});
}

TEST(SmpFrame, LinesWithoutTheirFirstAreLostOnce) {
  const Blob packet = encoded(counting(400));
  Receiver receiver;
  receiver.feed(Blob(packet.begin() + 127, packet.end()));
  EXPECT_EQ(receiver.lost, Statuses{Status::kMalformed});
  EXPECT_TRUE(receiver.messages.empty());
}

}  // namespace
}  // namespace edged::protocol
