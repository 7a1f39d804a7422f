// What a device says unasked: the bodies of its reports. Little endian; a text is its length in one byte and UTF-8.
//
// Rules: a body only ever grows at its end, so that an older host reads what it knows; a type is never used for
// something else. The frame around a body is wire.h's.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.h"
#include "core/span.h"

namespace edged::protocol {

// Bytes of a frame before COBS: a longer one would keep an answer waiting for more than a tenth of a second at 115,200
// baud.
inline constexpr size_t kMaxReport = 1024;
inline constexpr size_t kReportHeader = 4;    // version, type, sequence number
inline constexpr size_t kReportChecksum = 4;  // CRC-32
inline constexpr size_t kMaxBody = kMaxReport - kReportHeader - kReportChecksum;
inline constexpr uint8_t kReportVersion = 1;

inline constexpr size_t kShortHash = 8;  // the first bytes of an image's SHA-256; zeros where there is no image

enum class ReportType : uint8_t { kHello = 1, kResult = 2, kHealth = 3, kLog = 4, kBye = 5 };

enum class Mode : uint8_t { kLoader = 0, kApplication = 1 };
enum class Source : uint8_t { kSensor = 0, kInjected = 1, kSelfTest = 2 };
enum class SelfTest : uint8_t { kNotRun = 0, kPassed = 1, kFailed = 2, kNone = 3 };  // kNone: nothing to test
enum class ImageState : uint8_t { kNone = 0, kTrial = 1, kConfirmed = 2 };
enum class LogLevel : uint8_t { kDebug = 10, kInfo = 20, kWarning = 30, kError = 40 };
enum class ByeReason : uint8_t { kRequested = 1, kToLoader = 2, kNotConfirmed = 3, kSelfTestFailed = 4 };

struct Hello {
  static constexpr ReportType kType = ReportType::kHello;

  Mode mode = Mode::kLoader;
  std::string_view board;
  std::string_view fw_version;
  std::string_view engine;
  uint8_t fw_hash[kShortHash] = {};
  std::string_view model_version;
  std::string_view model_name;
  uint8_t model_hash[kShortHash] = {};
  uint8_t reset_reason = 0;  // hal::ResetReason
  uint32_t boots = 0;
};

// One output of one inference.
struct ResultReport {
  static constexpr ReportType kType = ReportType::kResult;

  uint32_t inference = 0;  // number of it since start
  Source source = Source::kSensor;
  Status status = Status::kOk;
  uint8_t output = 0;  // of so many outputs
  uint8_t outputs = 0;
  uint8_t dtype = 0;  // TensorType of TFLite's schema
  float scale = 0;
  int32_t zero_point = 0;
  uint32_t invoke_us = 0;
  uint32_t uptime_ms = 0;
  uint8_t model_hash[kShortHash] = {};
  Bytes data;  // all of the tensor: its length is sent (65,535 if it has more), and as much of it as fits
};

struct Health {
  static constexpr ReportType kType = ReportType::kHealth;

  uint32_t uptime_ms = 0;
  uint32_t boots = 0;
  uint8_t reset_reason = 0;
  Mode mode = Mode::kLoader;
  SelfTest self_test = SelfTest::kNotRun;
  ImageState fw_state = ImageState::kNone;
  ImageState model_state = ImageState::kNone;
  uint32_t arena_used = 0;
  uint32_t arena_size = 0;
  uint32_t inferences = 0;
  uint32_t invoke_us_mean = 0;
  uint32_t invoke_us_max = 0;
  uint32_t rx_bad = 0;
  uint32_t rx_overruns = 0;
  uint32_t tx_dropped = 0;
  uint32_t stack_free = 0;
  uint32_t reports = 0;  // sent before this one
};

struct Log {
  static constexpr ReportType kType = ReportType::kLog;

  LogLevel level = LogLevel::kInfo;
  std::string_view text;  // as much of it as fits is sent
};

struct Bye {
  static constexpr ReportType kType = ReportType::kBye;

  ByeReason reason = ByeReason::kRequested;
};

// The body, written into the caller's memory. kTooLarge: does not fit, or a text of more than 255 bytes.
Result<Bytes> encode(const Hello& report, MutableBytes into);
Result<Bytes> encode(const ResultReport& report, MutableBytes into);
Result<Bytes> encode(const Health& report, MutableBytes into);
Result<Bytes> encode(const Log& report, MutableBytes into);
Result<Bytes> encode(const Bye& report, MutableBytes into);

}  // namespace edged::protocol
