#include "protocol/smp_server.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/os_group.h"

namespace edged::protocol {
namespace {

using Blob = std::vector<uint8_t>;

Bytes view(const Blob& blob) { return Bytes(blob.data(), blob.size()); }

constexpr uint16_t kOwn = 64;

// Fails with the status that it is asked for; writes more than fits for kOk.
class Failing final : public SmpGroup {
 public:
  [[nodiscard]] uint16_t id() const override { return kOwn; }
  Status handle(const SmpHeader& header, CborReader& /*body*/, CborWriter& out) override {
    out.key("half").put_uint(1);
    if (header.command == 0) {
      for (int i = 0; i < 1000; ++i) out.key("x").put_uint(1);
    }
    return static_cast<Status>(header.command);
  }
};

class SmpServerTest : public testing::Test {
 protected:
  Bytes ask(uint8_t op, uint8_t version, uint16_t group, uint8_t command, const Blob& body) {
    Blob request = {static_cast<uint8_t>(version << 3 | op),
                    0,
                    static_cast<uint8_t>(body.size() >> 8),
                    static_cast<uint8_t>(body.size()),
                    static_cast<uint8_t>(group >> 8),
                    static_cast<uint8_t>(group),
                    42,
                    command};
    request.insert(request.end(), body.begin(), body.end());
    const Result<Bytes> answer = server_.answer(view(request), memory_);
    return answer.ok() ? answer.value() : Bytes();
  }

  // rc of an answer, or of its err map together with the group.
  static uint32_t rc(Bytes answer) { return CborReader(answer.from(SmpHeader::kSize)).uint_of("rc").value(); }
  static std::pair<uint32_t, uint32_t> err(Bytes answer) {
    const Result<CborReader> map = CborReader(answer.from(SmpHeader::kSize)).find("err");
    return {map.value().uint_of("group").value(), map.value().uint_of("rc").value()};
  }

  OsGroup os_;
  Failing failing_;
  SmpGroup* groups_[2] = {&os_, &failing_};
  SmpServer server_{groups_};
  uint8_t memory_[128];
};

const Blob kEmpty = {0xA0};

TEST_F(SmpServerTest, EchoesAndKeepsWhatIdentifiesTheRequest) {
  const Bytes answer = ask(2, 1, 0, 0, {0xA1, 0x61, 'd', 0x62, 'h', 'i'});
  const SmpHeader header = SmpHeader::parse(answer).value();
  EXPECT_EQ(header.op, SmpOp::kWriteAnswer);
  EXPECT_EQ(header.version, 1);
  EXPECT_EQ(header.length, answer.size() - SmpHeader::kSize);
  EXPECT_EQ(header.group, 0);
  EXPECT_EQ(header.sequence, 42);
  EXPECT_EQ(header.command, 0);
  EXPECT_EQ(CborReader(answer.from(SmpHeader::kSize)).text_of("r").value(), "hi");
}

TEST_F(SmpServerTest, SaysHowMuchItTakes) {
  const Bytes answer = ask(0, 0, 0, 6, kEmpty);
  EXPECT_EQ(CborReader(answer.from(SmpHeader::kSize)).uint_of("buf_size").value(), kMaxMessage + 4);
}

TEST_F(SmpServerTest, NotesAResetAndWhereItLeads) {
  EXPECT_EQ(os_.reset_wanted(), OsGroup::Reset::kNone);
  EXPECT_EQ(ask(2, 1, 0, 5, kEmpty).size(), SmpHeader::kSize + 2);
  EXPECT_EQ(os_.reset_wanted(), OsGroup::Reset::kStart);
  ask(2, 1, 0, 5, {0xA1, 0x69, 'b', 'o', 'o', 't', '_', 'm', 'o', 'd', 'e', 1});
  EXPECT_EQ(os_.reset_wanted(), OsGroup::Reset::kStayInLoader);
}

TEST_F(SmpServerTest, SaysNoInTheWordsOfTheVersionThatWasAskedIn) {
  const uint8_t state = static_cast<uint8_t>(Status::kWrongState);
  EXPECT_EQ(rc(ask(2, 0, kOwn, state, kEmpty)), 6u);
  EXPECT_EQ(err(ask(2, 1, kOwn, state, kEmpty)), (std::pair<uint32_t, uint32_t>{kOwn, state}));
  EXPECT_EQ(err(ask(2, 1, 0, 0, kEmpty)), (std::pair<uint32_t, uint32_t>{0, 2}));  // echo of nothing
}

TEST_F(SmpServerTest, WhatNoGroupHasIsNotSupportedInBothVersions) {
  for (const uint8_t version : {uint8_t{0}, uint8_t{1}}) {
    EXPECT_EQ(rc(ask(0, version, 9, 0, kEmpty)), 8u);   // no such group
    EXPECT_EQ(rc(ask(0, version, 0, 99, kEmpty)), 8u);  // no such command
    EXPECT_EQ(rc(ask(0, version, 0, 0, kEmpty)), 8u);   // echo is written
    EXPECT_EQ(rc(ask(0, version, kOwn, static_cast<uint8_t>(Status::kUnsupported), kEmpty)), 8u);
  }
  EXPECT_EQ(rc(ask(0, 2, 0, 6, kEmpty)), 13u);
}

TEST_F(SmpServerTest, BodiesThatAreNotOneMapAreInvalid) {
  for (const Blob& body : {Blob{}, Blob{0x01}, Blob{0xA1, 0x61, 'd'}, Blob{0xA0, 0xA0}, Blob{0x80}}) {
    EXPECT_EQ(rc(ask(2, 1, 0, 0, body)), 3u);
  }
  Blob request = {0x02, 0, 0, 2, 0, 0, 0, 0, 0xA0};  // says two bytes, has one
  EXPECT_EQ(rc(server_.answer(view(request), memory_).value()), 3u);
}

TEST_F(SmpServerTest, AnAnswerThatDoesNotFitIsAnError) { EXPECT_EQ(rc(ask(2, 1, kOwn, 0, kEmpty)), 7u); }

TEST_F(SmpServerTest, EveryErrorFitsTheLeastRoom) {
  uint8_t least[SmpServer::kMinAnswer];
  const Blob request = {0x0A, 0, 0, 1, 0, kOwn, 0, 13, 0xA0};
  EXPECT_EQ(err(server_.answer(view(request), least).value()), (std::pair<uint32_t, uint32_t>{kOwn, 13}));
}

TEST_F(SmpServerTest, WhatIsNoRequestGetsNoAnswer) {
  EXPECT_TRUE(ask(1, 1, 0, 0, kEmpty).empty());
  EXPECT_TRUE(ask(3, 1, 0, 0, kEmpty).empty());
  EXPECT_TRUE(ask(7, 1, 0, 0, kEmpty).empty());
  EXPECT_EQ(server_.answer(view(Blob(7, 0)), memory_).status(), Status::kTruncated);
}

}  // namespace
}  // namespace edged::protocol
