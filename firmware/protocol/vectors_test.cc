// The C++ side of the wire against tests/firmware/vectors.txt, which judges the Python side as well.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "protocol/cobs.h"
#include "protocol/crc.h"
#include "protocol/report.h"
#include "protocol/smp_frame.h"
#include "protocol/wire.h"

namespace edged::protocol {
namespace {

using Blob = std::vector<uint8_t>;
using Fields = std::vector<std::string>;

Bytes view(const Blob& blob) { return Bytes(blob.data(), blob.size()); }

std::vector<Fields> records(const std::string& kind) {
  std::ifstream file(EDGED_VECTORS);
  std::vector<Fields> found;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Fields fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (!fields.empty() && fields[0] == kind) found.push_back(fields);
  }
  EXPECT_FALSE(found.empty()) << kind << " in " << EDGED_VECTORS;
  return found;
}

Blob blob(const std::string& hex) {
  Blob bytes;
  for (size_t i = 0; hex != "-" && i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string hex(Bytes bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xF];
  }
  return text.empty() ? "-" : text;
}

void append(Blob& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// A line that keeps what is written to it.
class Recorder final : public hal::Serial {
 public:
  size_t read(MutableBytes /*into*/) override { return 0; }
  void write(Bytes from) override { append(written, from); }
  uint32_t overruns() const override { return 0; }

  Blob written;
};

// The fields of a report by name.
class Values {
 public:
  explicit Values(const Fields& fields) {
    for (const std::string& field : fields) {
      const size_t equals = field.find('=');
      if (equals != std::string::npos) values_[field.substr(0, equals)] = field.substr(equals + 1);
    }
  }

  template <typename T>
  void number(const char* name, T& into) const {
    into = static_cast<T>(std::stoll(values_.at(name)));
  }
  void real(const char* name, float& into) const {
    const Blob bytes = blob(values_.at(name));
    std::memcpy(&into, bytes.data(), sizeof(into));  // of a machine that is little-endian itself
  }
  Blob bytes(const char* name) const { return blob(values_.at(name)); }
  std::string text(const char* name) const {
    const Blob bytes = blob(values_.at(name));
    return std::string(bytes.begin(), bytes.end());
  }
  void hash(const char* name, uint8_t (&into)[kShortHash]) const {
    const Blob bytes = blob(values_.at(name));
    std::copy(bytes.begin(), bytes.end(), into);
  }

 private:
  std::map<std::string, std::string> values_;
};

template <typename Report>
std::string sent(uint32_t sequence, const Report& report) {
  Recorder line;
  Wire wire(line, MutableBytes());
  for (uint32_t i = 0; i < sequence; ++i) EXPECT_EQ(wire.report(Bye()), Status::kOk);
  line.written.clear();
  EXPECT_EQ(wire.report(report), Status::kOk);
  return hex(view(line.written));
}

std::string hello(uint32_t sequence, const Values& values) {
  const std::string board = values.text("board"), version = values.text("fw_version"), engine = values.text("engine");
  const std::string model = values.text("model_name"), model_version = values.text("model_version");
  Hello report;
  values.number("mode", report.mode);
  report.board = board;
  report.fw_version = version;
  report.engine = engine;
  values.hash("fw_hash", report.fw_hash);
  report.model_version = model_version;
  report.model_name = model;
  values.hash("model_hash", report.model_hash);
  values.number("reset_reason", report.reset_reason);
  values.number("boots", report.boots);
  return sent(sequence, report);
}

std::string result(uint32_t sequence, const Values& values) {
  const Blob data = values.bytes("data");
  ResultReport report;
  values.number("inference", report.inference);
  values.number("source", report.source);
  values.number("status", report.status);
  values.number("output", report.output);
  values.number("outputs", report.outputs);
  values.number("dtype", report.dtype);
  values.real("scale", report.scale);
  values.number("zero_point", report.zero_point);
  values.number("invoke_us", report.invoke_us);
  values.number("uptime_ms", report.uptime_ms);
  values.hash("model_hash", report.model_hash);
  report.data = view(data);
  return sent(sequence, report);
}

std::string health(uint32_t sequence, const Values& values) {
  Health report;
  values.number("uptime_ms", report.uptime_ms);
  values.number("boots", report.boots);
  values.number("reset_reason", report.reset_reason);
  values.number("mode", report.mode);
  values.number("self_test", report.self_test);
  values.number("fw_state", report.fw_state);
  values.number("model_state", report.model_state);
  values.number("arena_used", report.arena_used);
  values.number("arena_size", report.arena_size);
  values.number("inferences", report.inferences);
  values.number("invoke_us_mean", report.invoke_us_mean);
  values.number("invoke_us_max", report.invoke_us_max);
  values.number("rx_bad", report.rx_bad);
  values.number("rx_overruns", report.rx_overruns);
  values.number("tx_dropped", report.tx_dropped);
  values.number("stack_free", report.stack_free);
  values.number("reports", report.reports);
  return sent(sequence, report);
}

std::string log(uint32_t sequence, const Values& values) {
  const std::string text = values.text("text");
  Log report;
  values.number("level", report.level);
  report.text = text;
  return sent(sequence, report);
}

std::string bye(uint32_t sequence, const Values& values) {
  Bye report;
  values.number("reason", report.reason);
  return sent(sequence, report);
}

std::string reason(Status status) {
  switch (status) {
    case Status::kTruncated:
      return "bad:packet:truncated";
    case Status::kCorrupt:
      return "bad:packet:corrupt";
    case Status::kTooLarge:
      return "bad:packet:too-large";
    default:
      return "bad:packet:malformed";
  }
}

TEST(Vectors, Cobs) {
  for (const Fields& fields : records("cobs")) {
    CobsEncoder encoder;
    Blob stuffed;
    for (const uint8_t byte : blob(fields[1])) append(stuffed, encoder.put(byte));
    append(stuffed, encoder.finish());
    EXPECT_EQ(hex(view(stuffed)), fields[2]) << fields[1];
  }
}

TEST(Vectors, ChecksumsWholeAndContinued) {
  for (const Fields& fields : records("crc16")) {
    const Blob data = blob(fields[1]);
    EXPECT_EQ(crc16(view(data)), std::stoul(fields[2]));
    EXPECT_EQ(crc16(view(data).from(2), crc16(view(data).first(2))), std::stoul(fields[2]));
  }
  for (const Fields& fields : records("crc32")) {
    const Blob data = blob(fields[1]);
    EXPECT_EQ(crc32(view(data)), std::stoul(fields[2]));
    EXPECT_EQ(crc32(view(data).from(2), crc32(view(data).first(2))), std::stoul(fields[2]));
  }
}

TEST(Vectors, Packets) {
  for (const Fields& fields : records("packet")) {
    Recorder line;
    Wire wire(line, MutableBytes());
    ASSERT_EQ(wire.answer(view(blob(fields[1]))), Status::kOk);
    EXPECT_EQ(hex(view(line.written)), fields[2]);
  }
}

TEST(Vectors, Reports) {
  const std::map<std::string, std::string (*)(uint32_t, const Values&)> encoders = {
      {"hello", hello}, {"result", result}, {"health", health}, {"log", log}, {"bye", bye}};
  for (const Fields& fields : records("report")) {
    const uint32_t sequence = static_cast<uint32_t>(std::stoul(fields[2]));
    EXPECT_EQ(encoders.at(fields[1])(sequence, Values(fields)), fields[3]) << fields[1] << " " << sequence;
  }
}

TEST(Vectors, Requests) {
  for (const Fields& fields : records("requests")) {
    Blob memory(kMaxMessage);
    SmpReceiver receiver(MutableBytes(memory.data(), memory.size()));
    Fields events;
    for (const uint8_t byte : blob(fields[2])) {
      const Result<Bytes> got = receiver.feed(byte);
      if (got.ok()) events.push_back("packet:" + hex(got.value()));
      if (!got.ok() && got.status() != Status::kNotFound) events.push_back(reason(got.status()));
    }
    EXPECT_EQ(events, Fields(fields.begin() + 3, fields.end())) << fields[1];
  }
}

}  // namespace
}  // namespace edged::protocol
