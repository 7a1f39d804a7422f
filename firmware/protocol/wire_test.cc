#include "protocol/wire.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace edged::protocol {
namespace {

using Blob = std::vector<uint8_t>;

// A line that gives what it was given, a few bytes at a time, and may want to say something while it is written to.
class Line final : public hal::Serial {
 public:
  size_t read(MutableBytes into) override {
    size_t count = 0;
    while (count < into.size() && count < 5 && at_ < incoming.size()) into[count++] = incoming[at_++];
    return count;
  }
  void write(Bytes from) override {
    if (stuck) {
      lost_ += static_cast<uint32_t>(from.size());
      return;
    }
    written.insert(written.end(), from.begin(), from.end());
    if (meanwhile != nullptr) {
      EXPECT_EQ(meanwhile->report(Log()), Status::kWrongState);
      EXPECT_EQ(meanwhile->answer(Bytes()), Status::kWrongState);
    }
  }
  uint32_t overruns() const override { return 7; }
  uint32_t lost() const override { return lost_; }

  Blob incoming;
  Blob written;
  Wire* meanwhile = nullptr;
  bool stuck = false;

 private:
  size_t at_ = 0;
  uint32_t lost_ = 0;
};

class WireTest : public testing::Test {
 protected:
  void come(const std::string& bytes) { line_.incoming.insert(line_.incoming.end(), bytes.begin(), bytes.end()); }

  Line line_;
  uint8_t memory_[32];
  Wire wire_{line_, memory_};
};

TEST_F(WireTest, GivesRequestsOneByOneAndCountsWhatIsLost) {
  const std::string packet = "\x06\tAA9IZWxsbywgd29ybGQhet4=\n";
  come("noise" + packet + packet.substr(0, 9) + packet + packet.substr(0, 12) + "\n");
  for (int i = 0; i < 2; ++i) {
    const Result<Bytes> request = wire_.receive();
    ASSERT_TRUE(request.ok());
    EXPECT_EQ(std::string(request.value().begin(), request.value().end()), "Hello, world!");
  }
  EXPECT_EQ(wire_.receive().status(), Status::kNotFound);
  EXPECT_EQ(wire_.bad(), 2u);
  EXPECT_EQ(wire_.overruns(), 7u);
}

TEST_F(WireTest, RubbishIsTakenByPieces) {
  come(std::string(100'000, 'x') + "\n\x06\tAA9IZWxsbywgd29ybGQhet4=\n");
  uint32_t pieces = 0;
  Result<Bytes> request = wire_.receive();
  for (; !request.ok() && wire_.more(); request = wire_.receive()) ++pieces;
  EXPECT_GT(pieces, 10u);
  ASSERT_TRUE(request.ok());
  EXPECT_FALSE(wire_.more());
  EXPECT_EQ(wire_.receive().status(), Status::kNotFound);
  EXPECT_FALSE(wire_.more()) << "that was all";
}

TEST_F(WireTest, AReportThatDidNotLeaveIsDropped) {
  ASSERT_EQ(wire_.report(Log()), Status::kOk);
  EXPECT_EQ(wire_.dropped(), 0u);
  line_.stuck = true;
  ASSERT_EQ(wire_.report(Log()), Status::kOk);
  EXPECT_EQ(wire_.dropped(), 1u) << "one report, however many bytes";
  EXPECT_EQ(wire_.reports(), 2u) << "who listens sees a gap";
}

TEST_F(WireTest, NothingIsSentInsideOfSomethingElse) {
  EXPECT_EQ(wire_.report(Log{LogLevel::kInfo, "once"}), Status::kOk);
  const Blob alone = line_.written;
  line_.written.clear();
  Wire again(line_, memory_);
  line_.meanwhile = &again;
  EXPECT_EQ(again.report(Log{LogLevel::kInfo, "once"}), Status::kOk);
  EXPECT_EQ(line_.written, alone);
  EXPECT_GT(again.dropped(), 0u);
  EXPECT_EQ(again.reports(), 1u);
  const uint32_t dropped = again.dropped();
  EXPECT_EQ(again.answer(Bytes(memory_)), Status::kOk);
  EXPECT_GT(again.dropped(), dropped);
}

TEST_F(WireTest, AReportThatDoesNotFitIsNotSentAndCounted) {
  const std::string text(256, 'x');
  Hello hello;
  hello.board = text;
  EXPECT_EQ(wire_.report(hello), Status::kTooLarge);
  hello.board = hello.fw_version = hello.engine = hello.model_name = std::string_view(text).substr(1);
  EXPECT_EQ(wire_.report(hello), Status::kTooLarge);
  EXPECT_TRUE(line_.written.empty());
  EXPECT_EQ(wire_.dropped(), 2u);
  EXPECT_EQ(wire_.reports(), 0u);
}

TEST_F(WireTest, ATensorOfAnySizeIsReported) {
  const Blob tensor(70'000, 0xAB);
  ResultReport result;
  result.data = Bytes(tensor.data(), tensor.size());
  EXPECT_EQ(wire_.report(result), Status::kOk);
  EXPECT_LE(line_.written.size(), kMaxReport + kMaxReport / 254 + 3);
}

}  // namespace
}  // namespace edged::protocol
