#include "boot/image_group.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using hal::ResetReason;
using protocol::CborReader;
using protocol::CborWriter;
using protocol::SmpHeader;
using protocol::SmpOp;
using testing::Blob;
using testing::Board;
using testing::ImageSpec;
using testing::signed_image;
using testing::Signer;

const Signer signer;

Bytes view(const Blob& blob) { return Bytes(blob.data(), blob.size()); }

Blob firmware(uint8_t version) {
  ImageSpec spec;
  spec.version = {version, 0, 0, 0};
  return signed_image(spec, signer);
}

class Verdict final : public Judge {
 public:
  [[nodiscard]] Status may_confirm() override { return verdict; }
  Status verdict = Status::kOk;
};

class ImageGroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    board_.place(Kind::kFirmware, 0, firmware(1));
    ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 0);
    restart();
  }
  void restart() { group_.emplace(board_.slots(), &judge_); }

  Status ask(
      SmpOp op, uint8_t command, const std::function<void(CborWriter&)>& fill = [](CborWriter&) {}) {
    CborWriter body(body_);
    body.begin_map();
    fill(body);
    body.end();
    CborWriter answer(answer_);
    answer.begin_map();
    SmpHeader header;
    header.op = op;
    header.command = command;
    CborReader reader(body.written());
    const Status status = group_->handle(header, reader, answer);
    answer.end();
    return status;
  }
  Status upload(const Blob& image, size_t chunk = 400) {
    for (size_t at = 0; at < image.size(); at += chunk) {
      const Status status = ask(SmpOp::kWrite, 1, [&](CborWriter& body) {
        body.key("off").put_uint(at);
        if (at == 0) body.key("len").put_uint(image.size());
        body.key("data").put_bytes(view(image).part(at, chunk));
      });
      if (!ok(status)) return status;
    }
    return Status::kOk;
  }
  Status state(const Blob& hash, bool confirm) {
    return ask(SmpOp::kWrite, 0, [&](CborWriter& body) {
      if (!hash.empty()) body.key("hash").put_bytes(view(hash));
      body.key("confirm").put_bool(confirm);
    });
  }
  Blob hash(uint8_t slot) {
    Image image;
    EXPECT_EQ(board_.slots().inspect(Kind::kFirmware, slot, image), Status::kOk);
    return Blob(std::begin(image.hash), std::end(image.hash));
  }
  // What the list of images says of a slot that is in it.
  bool listed_confirmed(uint8_t slot) {
    EXPECT_EQ(ask(SmpOp::kRead, 0), Status::kOk);
    constexpr size_t kListAt = 1 + sizeof "images" + 1;  // a map begins, its first key, an array begins
    CborReader list(Bytes(answer_).part(kListAt, sizeof answer_ - kListAt));
    for (Result<uint32_t> listed = list.uint_of("slot"); listed.ok(); listed = list.uint_of("slot")) {
      if (listed.value() == slot) return list.bool_of("confirmed").value();
      if (!ok(list.skip())) break;
    }
    ADD_FAILURE() << "slot " << int{slot} << " is not listed";
    return false;
  }
  CborReader answer() { return CborReader(answer_); }

  Board board_{signer};
  Verdict judge_;
  std::optional<ImageGroup> group_;
  uint8_t body_[2048];
  uint8_t answer_[2048];
};

TEST_F(ImageGroupTest, AnUpgradeFromFirstToLast) {
  ASSERT_EQ(upload(firmware(2)), Status::kOk);
  EXPECT_TRUE(answer().bool_of("match").value());
  ASSERT_EQ(state(hash(1), false), Status::kOk);
  ASSERT_EQ(board_.start(ResetReason::kRequested).slot, 1);
  restart();
  EXPECT_EQ(state(hash(0), true), Status::kWrongState) << "it does not run";
  EXPECT_EQ(upload(firmware(3)), Status::kWrongState) << "a trial has both slots";
  ASSERT_EQ(state({}, true), Status::kOk);
  EXPECT_EQ(board_.slots().state().of(Kind::kFirmware).active, 1);
  ASSERT_EQ(state(hash(1), true), Status::kOk) << "once more changes nothing";
}

TEST_F(ImageGroupTest, OnlyWhatWasKeptOnceIsConfirmed) {
  const auto restarted = [&](uint8_t slot) {
    ASSERT_EQ(board_.start(ResetReason::kRequested).slot, slot);
    restart();
  };
  ASSERT_EQ(upload(firmware(2)), Status::kOk);
  EXPECT_TRUE(listed_confirmed(0));
  EXPECT_FALSE(listed_confirmed(1)) << "only uploaded";
  ASSERT_EQ(state(hash(1), false), Status::kOk);
  EXPECT_FALSE(listed_confirmed(1)) << "only asked for";
  restarted(1);
  EXPECT_TRUE(listed_confirmed(0)) << "what a start goes back to";
  EXPECT_FALSE(listed_confirmed(1)) << "on trial";
  restarted(0);
  EXPECT_FALSE(listed_confirmed(1)) << "rejected";
  ASSERT_EQ(state(hash(1), false), Status::kOk);
  restarted(1);
  ASSERT_EQ(state({}, true), Status::kOk);
  EXPECT_TRUE(listed_confirmed(0)) << "what ran before";
  EXPECT_TRUE(listed_confirmed(1));
  ASSERT_EQ(state(hash(0), false), Status::kOk);
  restarted(0);
  EXPECT_FALSE(listed_confirmed(0)) << "on trial, though it was kept once";
  EXPECT_TRUE(listed_confirmed(1));
  restarted(1);
  EXPECT_FALSE(listed_confirmed(0)) << "it failed since";
  ASSERT_EQ(upload(firmware(3)), Status::kOk);
  EXPECT_FALSE(listed_confirmed(0)) << "overwritten";
}

TEST_F(ImageGroupTest, WhatFailedItsTestIsNotConfirmed) {
  ASSERT_EQ(upload(firmware(2)), Status::kOk);
  ASSERT_EQ(state(hash(1), false), Status::kOk);
  ASSERT_EQ(board_.start(ResetReason::kRequested).slot, 1);
  restart();
  for (const Status verdict : {Status::kSelfTest, Status::kWrongState}) {
    judge_.verdict = verdict;
    EXPECT_EQ(state({}, true), verdict);
    EXPECT_EQ(state(hash(1), true), verdict);
  }
  EXPECT_EQ(board_.slots().state().of(Kind::kFirmware).active, 0);
}

TEST_F(ImageGroupTest, AnotherOffsetIsAnsweredByWhereToGoOn) {
  const Blob image = firmware(2);
  const auto chunk = [&](size_t at, size_t size, bool first) {
    return ask(SmpOp::kWrite, 1, [&, at, size, first](CborWriter& body) {
      body.key("off").put_uint(at);
      if (first) body.key("len").put_uint(image.size());
      body.key("data").put_bytes(view(image).part(at, size));
    });
  };
  ASSERT_EQ(chunk(100, 100, false), Status::kOk);
  EXPECT_EQ(answer().uint_of("off").value(), 0U) << "nothing was begun";
  ASSERT_EQ(chunk(0, 100, true), Status::kOk);
  ASSERT_EQ(chunk(300, 100, false), Status::kOk);
  EXPECT_EQ(answer().uint_of("off").value(), 100U);
  ASSERT_EQ(chunk(100, 100, false), Status::kOk);
  EXPECT_EQ(answer().uint_of("off").value(), 200U);
  ASSERT_EQ(chunk(100, 100, false), Status::kOk) << "an answer was lost";
  EXPECT_EQ(answer().uint_of("off").value(), 200U);
  for (const char* const what : {"the last", "and again, for its answer was lost"}) {
    ASSERT_EQ(chunk(200, image.size() - 200, false), Status::kOk);
    EXPECT_EQ(answer().uint_of("off").value(), image.size()) << what;
    EXPECT_TRUE(answer().bool_of("match").value()) << what;
  }
  ASSERT_EQ(ask(SmpOp::kWrite, 5), Status::kOk);
  ASSERT_EQ(chunk(200, image.size() - 200, false), Status::kOk);
  EXPECT_EQ(answer().uint_of("off").value(), 0U) << "it was erased";
}

TEST_F(ImageGroupTest, RefusesWhatItCannotDo) {
  EXPECT_EQ(state({}, false), Status::kMalformed);
  EXPECT_EQ(state(Blob(31), false), Status::kMalformed);
  EXPECT_EQ(state(Blob(32), false), Status::kNotFound);
  EXPECT_EQ(state(hash(0), false), Status::kWrongState) << "it runs";
  EXPECT_EQ(ask(SmpOp::kRead, 1), Status::kUnsupported);
  EXPECT_EQ(ask(SmpOp::kWrite, 1), Status::kNotFound);
  EXPECT_EQ(ask(SmpOp::kWrite, 5, [](CborWriter& body) { body.key("slot").put_uint(4); }), Status::kOutOfRange);
  EXPECT_EQ(ask(SmpOp::kWrite, 5, [](CborWriter& body) { body.key("slot").put_uint(0); }), Status::kWrongState);
  EXPECT_EQ(ask(SmpOp::kWrite, 1,
                [](CborWriter& body) {
                  body.key("image").put_uint(2);
                  body.key("off").put_uint(0);
                  body.key("len").put_uint(100);
                  body.key("data").put_bytes({});
                }),
            Status::kOutOfRange);
}

TEST_F(ImageGroupTest, ErasesASlotThatIsNotNeeded) {
  ASSERT_EQ(upload(firmware(2)), Status::kOk);
  ASSERT_EQ(ask(SmpOp::kWrite, 5), Status::kOk);
  Image image;
  EXPECT_FALSE(ok(board_.slots().inspect(Kind::kFirmware, 1, image)));
}

TEST_F(ImageGroupTest, TheLoaderKeepsWhatAStartWouldGoBackTo) {
  board_.place(Kind::kFirmware, 1, firmware(2));
  State state = board_.slots().state();
  state.of(Kind::kFirmware).active = 1;
  ASSERT_EQ(board_.slots().record(state), Status::kOk);
  group_.emplace(board_.open({}));
  EXPECT_EQ(ask(SmpOp::kWrite, 5, [](CborWriter& body) { body.key("slot").put_uint(1); }), Status::kWrongState);
  ASSERT_EQ(ask(SmpOp::kWrite, 5), Status::kOk) << "without a number it is the other one";
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 1);
}

TEST_F(ImageGroupTest, AListIsReadFromFlashOnce) {
  ASSERT_EQ(upload(firmware(2)), Status::kOk);
  board_.flash().take({1, 0, 0});
  uint64_t reads_ns[2];
  for (uint64_t& one : reads_ns) {
    const uint64_t before = board_.flash().elapsed_ns();
    ASSERT_EQ(ask(SmpOp::kRead, 0), Status::kOk);
    one = board_.flash().elapsed_ns() - before;
  }
  EXPECT_GT(reads_ns[0], 400U);
  EXPECT_LE(reads_ns[1], 2 * 32U) << "but for the headers of two empty slots";
}

TEST_F(ImageGroupTest, TheLoaderConfirmsNothing) {
  group_.emplace(board_.open({}));
  EXPECT_EQ(state({}, true), Status::kWrongState);
  EXPECT_EQ(state(hash(0), true), Status::kWrongState);
}

}  // namespace
}  // namespace edged::boot
