// The application's loop on a board of a test: real slots, real packets; engine, clock and line are made up.
#include "app/app.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "app/testing/fake_engine.h"
#include "app/testing/fake_hal.h"
#include "app/testing/host.h"
#include "boot/testing/board.h"

namespace edged::app {
namespace {

using boot::Kind;
using protocol::CborWriter;
using protocol::ReportType;
using protocol::SmpOp;
using testing::Blob;
using testing::FakeModel;
using End = testing::FakeSystem::End;

const boot::testing::Signer signer;
constexpr uint16_t kOsGroup = 0;
constexpr uint16_t kImageGroup = 1;
constexpr uint32_t kLong = 3 * kTrialWindowMs;

struct Vector {
  uint8_t input;
  uint8_t output;
};

// The package of a model with golden vectors; "EDMP", version 1.
Blob package(const FakeModel& model, const std::vector<Vector>& vectors = {}) {
  Blob made = {'E', 'D', 'M', 'P', 1, 0, static_cast<uint8_t>(vectors.size()), 0, 0, 0, 0, 0, sizeof model, 0, 0, 0};
  for (const Vector& vector : vectors) {
    const Blob bytes = {4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, vector.input, 0, 0, 0};
    made.insert(made.end(), bytes.begin(), bytes.end());
    made.insert(made.end(), 4, vector.output);
  }
  made.resize((made.size() + 15) / 16 * 16);
  made[8] = static_cast<uint8_t>(made.size());
  made[9] = static_cast<uint8_t>(made.size() >> 8);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&model);
  made.insert(made.end(), bytes, bytes + sizeof model);
  return made;
}

// Two vectors of a model that adds up: the second is right only where the first was forgotten.
Blob adding() { return package({}, {{3, 3}, {5, 5}}); }

class CountingSensor final : public Sensor {
 public:
  Status fill(const ml::Tensor& input) override {
    std::memset(input.data, 1, input.bytes);
    return Status::kOk;
  }
};

testing::FakeSystem* clock_of_test;
uint32_t micros() { return clock_of_test->micros(); }

class AppTest : public ::testing::Test {
 protected:
  AppTest() {
    clock_of_test = &system_;
    testing::on_invoke = [] { clock_of_test->pass(1); };
    board_.place(Kind::kFirmware, 0, signed_image({}, signer));
    EXPECT_EQ(board_.start(hal::ResetReason::kPowerOn).recovery, boot::Recovery::kNone);
  }

  // A start with this package on trial.
  void try_model(const Blob& payload) {
    boot::testing::ImageSpec spec;
    spec.kind = Kind::kModel;
    spec.payload = payload;
    const Blob image = signed_image(spec, signer);
    ASSERT_EQ(board_.upload(Kind::kModel, image), Status::kOk);
    ASSERT_EQ(board_.slots().mark_for_test(Kind::kModel, 0), Status::kOk);
    ASSERT_EQ(board_.start(hal::ResetReason::kRequested).recovery, boot::Recovery::kNone);
    ASSERT_TRUE(on_trial());
  }
  End run(uint32_t for_ms) {
    return system_.run(for_ms, [this] {
      if (!app_) {
        app_.emplace(
            Parts{system_, serial_, board_.slots(), board_.handoff(), signer.public_key(), arena_, staging_, &sensor_},
            micros);
      }
      app_->run();
    });
  }
  void ask(
      SmpOp op, uint16_t group, uint8_t command, const std::function<void(CborWriter&)>& body = [](CborWriter&) {}) {
    const Blob packet = testing::request(op, group, command, body);
    serial_.come.insert(serial_.come.end(), packet.begin(), packet.end());
  }
  void ask_edged(
      Command command, const std::function<void(CborWriter&)>& body = [](CborWriter&) {}) {
    const bool reads = command == Command::kInfo || command == Command::kOutput;
    ask(reads ? SmpOp::kRead : SmpOp::kWrite, kEdgedGroup, static_cast<uint8_t>(command), body);
  }
  void ask_to_confirm() {
    ask(SmpOp::kWrite, kImageGroup, 0, [](CborWriter& body) { body.key("confirm").put_bool(true); });
  }
  [[nodiscard]] bool on_trial() { return board_.slots().on_trial(Kind::kModel); }
  [[nodiscard]] std::vector<Blob> answers() const { return testing::answers(serial_.sent); }
  // First bytes of all results so far.
  [[nodiscard]] Blob results() const {
    Blob found;
    for (const Blob& body : testing::reports(serial_.sent, ReportType::kResult)) found.push_back(body.back());
    return found;
  }
  [[nodiscard]] int last_words() const {
    const std::vector<Blob> byes = testing::reports(serial_.sent, ReportType::kBye);
    return byes.size() == 1 ? byes[0][0] : -1;
  }

  boot::testing::Board board_{signer};
  testing::FakeSystem system_;
  testing::FakeSerial serial_;
  CountingSensor sensor_;
  alignas(ml::kArenaAlignment) uint8_t arena_[1024];
  alignas(ml::kArenaAlignment) uint8_t staging_[64];
  std::optional<App> app_;
};

TEST_F(AppTest, WithoutAModelThereIsNothingToTest) {
  ask_edged(Command::kInfo);
  EXPECT_EQ(run(kLong), End::kTime);
  ASSERT_EQ(answers().size(), 1u);
  EXPECT_EQ(testing::text_of(answers()[0], "self_test"), "none");
  EXPECT_EQ(testing::text_of(answers()[0], "diagnosis"), "(none)");
}

TEST_F(AppTest, AModelThatPassesIsConfirmed) {
  try_model(adding());
  ask_to_confirm();
  EXPECT_EQ(run(kLong), End::kTime);
  EXPECT_FALSE(on_trial());
}

TEST_F(AppTest, ATrialThatNobodyConfirmsEnds) {
  try_model(adding());
  EXPECT_EQ(run(kLong), End::kReset);
  EXPECT_EQ(last_words(), static_cast<int>(protocol::ByeReason::kNotConfirmed));
}

struct Unusable {
  Blob payload;
  std::string_view why;
  std::string_view log = why;
};

class UnusableModel : public AppTest, public ::testing::WithParamInterface<Unusable> {};

TEST_P(UnusableModel, IsNeverConfirmedAndSaysWhy) {
  try_model(GetParam().payload);
  ask_to_confirm();
  ask_edged(Command::kInfo);
  EXPECT_EQ(run(kLong), End::kReset);
  EXPECT_TRUE(on_trial());
  EXPECT_EQ(last_words(), static_cast<int>(protocol::ByeReason::kSelfTestFailed));
  EXPECT_LT(system_.now_ms(), kTrialWindowMs);
  ASSERT_EQ(answers().size(), 2u);
  EXPECT_EQ(testing::text_of(answers()[1], "self_test"), "failed");
  EXPECT_EQ(testing::text_of(answers()[1], "diagnosis"), GetParam().why);
  const std::vector<Blob> logs = testing::reports(serial_.sent, ReportType::kLog);
  ASSERT_EQ(logs.size(), 1u);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(logs[0].data()) + 1, logs[0].size() - 1), GetParam().log);
}

INSTANTIATE_TEST_SUITE_P(
    AppTest, UnusableModel,
    ::testing::Values(Unusable{Blob(300, 0x5A), "the model's package is damaged, or of another version"},
                      Unusable{package({1, 1, 4}), "operator is not supported",
                               "operator 3, code 32, twist: operator is not supported"},
                      Unusable{package({0, 9, 4}), "the model has more than 8 inputs"},
                      Unusable{package({0, 2, 64}), "the inputs are larger than the memory for them"}));

TEST_F(AppTest, TheOperatorThatLacksIsToldAndThoseThatAreThere) {
  try_model(package({1, 1, 4}));
  ask_edged(Command::kInfo);
  EXPECT_EQ(run(1000), End::kTime);
  const std::vector<Blob> given = answers();
  ASSERT_EQ(given.size(), 1u);
  const protocol::CborReader answer(Bytes(given[0].data(), given[0].size()));
  EXPECT_EQ(answer.uint_of("op_index").value(), 3u);
  EXPECT_EQ(answer.uint_of("op_code").value(), 32u);
  const Bytes custom = answer.bytes_of("op_custom").value();
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(custom.data()), custom.size()), "twist");
  const Blob list = {0x9F, 0x09, 0x18, 114, 0xFF};  // of the engine of this test
  EXPECT_NE(std::search(given[0].begin(), given[0].end(), list.begin(), list.end()), given[0].end());
}

TEST_F(AppTest, OfANameThatIsNoTextAndHasNoEndItsBeginningIsTold) {
  try_model(package({2, 1, 4}));
  ask_edged(Command::kInfo);
  EXPECT_EQ(run(1000), End::kTime);
  const std::vector<Blob> given = answers();
  ASSERT_EQ(given.size(), 1u);
  const Result<Bytes> custom = protocol::CborReader(Bytes(given[0].data(), given[0].size())).bytes_of("op_custom");
  ASSERT_TRUE(custom.ok());
  const Blob beginning(kMaxCustomName, 0xFE);
  EXPECT_EQ(Blob(custom.value().begin(), custom.value().end()), beginning);
  const std::vector<Blob> logs = testing::reports(serial_.sent, ReportType::kLog);
  ASSERT_EQ(logs.size(), 1u);
  EXPECT_EQ(std::string(logs[0].begin() + 1, logs[0].end()),
            "operator 3, code 32, " + std::string(beginning.begin(), beginning.end()) + ": operator is not supported");
}

TEST_F(AppTest, AVectorFindsAModelThatRemembersNothing) {
  try_model(adding());
  ask_edged(Command::kInput, [](CborWriter& body) {
    const uint8_t seven[] = {7, 0, 0, 0};
    body.key("off").put_uint(0);
    body.key("data").put_bytes(seven);
  });
  for (int i = 0; i < 2; ++i) ask_edged(Command::kInvoke);
  ask_edged(Command::kSelfTest);
  ask_edged(Command::kInvoke);
  ask_edged(Command::kInfo);
  EXPECT_EQ(run(1000), End::kTime);
  EXPECT_EQ(results(), (Blob{7, 14, 7})) << "a self-test leaves nothing behind";
  ASSERT_EQ(answers().size(), 6u);
  EXPECT_EQ(testing::text_of(answers()[5], "self_test"), "passed");
}

TEST_F(AppTest, ASelfTestWithoutVectorsForgetsAsWell) {
  try_model(package({}));
  for (const Command command : {Command::kSample, Command::kSelfTest, Command::kSample}) {
    ask_edged(command, [](CborWriter& body) { body.key("period_ms").put_uint(EdgedGroup::kMaxPeriodMs); });
  }
  EXPECT_EQ(run(1000), End::kTime);
  EXPECT_EQ(results(), (Blob{1, 1}));
}

TEST_F(AppTest, AHostThatNeverStopsAskingDoesNotStopTheLoop) {
  try_model(adding());
  board_.handoff().crashes = 1;
  serial_.on_silence = [this] {
    ask(SmpOp::kWrite, kOsGroup, 0, [](CborWriter& body) { body.key("d").put_text("x"); });
    ask(SmpOp::kWrite, kOsGroup, 0, [](CborWriter& body) { body.key("d").put_text("y"); });
    system_.pass(100);
  };
  EXPECT_EQ(run(kLong), End::kReset);
  EXPECT_EQ(last_words(), static_cast<int>(protocol::ByeReason::kNotConfirmed));
  EXPECT_EQ(board_.handoff().crashes, 0u) << "settled";
  EXPECT_GE(testing::reports(serial_.sent, ReportType::kHealth).size(), kTrialWindowMs / kHealthPeriodMs - 1);
}

TEST_F(AppTest, NeitherDoesALineThatIsNeverSilent) {
  try_model(adding());
  serial_.on_silence = [this] {
    serial_.come.assign(64, 'x');
    system_.pass(1);
  };
  EXPECT_EQ(run(kLong), End::kReset);
  EXPECT_EQ(last_words(), static_cast<int>(protocol::ByeReason::kNotConfirmed));
}

TEST_F(AppTest, ASensorHasItsTurnAmongRequests) {
  try_model(adding());
  ask_edged(Command::kSample, [](CborWriter& body) { body.key("period_ms").put_uint(50); });
  serial_.on_silence = [this] {
    ask(SmpOp::kWrite, kOsGroup, 0, [](CborWriter& body) { body.key("d").put_text("x"); });
    system_.pass(10);
  };
  EXPECT_EQ(run(1000), End::kTime);
  EXPECT_GE(results().size(), 15u);
}

TEST_F(AppTest, ASlowInferenceOfAHostAndOneOfTheSensorAreTwoSteps) {
  try_model(package({}));
  ask_edged(Command::kSample, [](CborWriter& body) { body.key("period_ms").put_uint(50); });
  testing::on_invoke = [] { clock_of_test->pass(kWatchdogMs - 1000); };
  ask_edged(Command::kInput, [](CborWriter& body) {
    const uint8_t seven[] = {7, 0, 0, 0};
    body.key("off").put_uint(0);
    body.key("data").put_bytes(seven);
  });
  for (int i = 0; i < 3; ++i) ask_edged(Command::kInvoke);
  EXPECT_EQ(run(kTrialWindowMs / 2), End::kTime);
  EXPECT_GE(results().size(), 3u);
}

TEST_F(AppTest, ManySlowVectorsNeitherStarveTheWatchdogNorOutliveTheTrial) {
  try_model(package({}, std::vector<Vector>(25, {1, 1})));
  testing::on_invoke = [] { clock_of_test->pass(kWatchdogMs - 1000); };
  EXPECT_EQ(run(kLong), End::kReset);
  EXPECT_EQ(last_words(), static_cast<int>(protocol::ByeReason::kNotConfirmed));
  EXPECT_LT(system_.now_ms(), kTrialWindowMs + kWatchdogMs);
  EXPECT_GE(testing::reports(serial_.sent, ReportType::kHealth).size(), 10u);
}

TEST_F(AppTest, WhatWasConfirmedIsTestedNoLongerThanATrial) {
  try_model(package({}, std::vector<Vector>(40, {1, 1})));
  ASSERT_EQ(board_.slots().confirm(), Status::kOk);
  testing::on_invoke = [] { clock_of_test->pass(kWatchdogMs - 1000); };
  ask_edged(Command::kInfo);
  EXPECT_EQ(run(kTrialWindowMs + 2 * kWatchdogMs), End::kTime);
  ASSERT_EQ(answers().size(), 1u);
  EXPECT_EQ(testing::text_of(answers()[0], "self_test"), "failed");
  EXPECT_EQ(testing::reports(serial_.sent, ReportType::kLog).size(), 1u);
}

TEST_F(AppTest, ASelfTestThatHangsLateIsACrashInARow) {
  try_model(package({}, std::vector<Vector>(10, {1, 1})));
  ASSERT_EQ(board_.slots().confirm(), Status::kOk);
  board_.handoff().crashes = 1;
  testing::on_invoke = [] { clock_of_test->pass(clock_of_test->now_ms() > kSettledMs + 5000 ? kWatchdogMs : 5000); };
  EXPECT_EQ(run(kLong), End::kWatchdog);
  EXPECT_GT(system_.now_ms(), kSettledMs);
  EXPECT_EQ(board_.handoff().crashes, 1u);
}

TEST_F(AppTest, WhatHangsInOneStepMeetsTheWatchdog) {
  try_model(adding());
  testing::on_invoke = [] { clock_of_test->pass(kWatchdogMs); };
  EXPECT_EQ(run(kLong), End::kWatchdog);
}

}  // namespace
}  // namespace edged::app
