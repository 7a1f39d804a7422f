#include "protocol/report.h"

#include <cstring>

#include "core/bytes.h"

namespace edged::protocol {
namespace {

constexpr size_t kMaxText = 255;  // what a length of one byte says

// Appends fields; what does not fit is not written, and neither is anything after it.
class Body {
 public:
  explicit Body(MutableBytes into) : into_(into) {}

  void u8(uint8_t value) { append(Bytes(&value, 1)); }
  void u16(uint16_t value) {
    uint8_t bytes[2];
    put_u16(bytes, value);
    append(bytes);
  }
  void u32(uint32_t value) {
    uint8_t bytes[4];
    put_u32(bytes, value);
    append(bytes);
  }
  void f32(float value) {
    uint32_t bits;
    static_assert(sizeof(bits) == sizeof(value));
    std::memcpy(&bits, &value, sizeof(bits));
    u32(bits);
  }
  void text(std::string_view value) {
    full_ = full_ || value.size() > kMaxText;
    u8(static_cast<uint8_t>(value.size()));
    append(as_bytes(value));
  }
  void append(Bytes bytes) {
    full_ = full_ || bytes.size() > into_.size() - at_;
    if (!full_) append_cut(bytes);
  }
  // As much as fits.
  void append_cut(Bytes bytes) {
    for (const uint8_t byte : bytes.first(into_.size() - at_)) into_[at_++] = byte;
  }
  static Bytes as_bytes(std::string_view text) {
    return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  }

  [[nodiscard]] Result<Bytes> written() const {
    if (full_) return Status::kTooLarge;
    return Bytes(into_).first(at_);
  }

 private:
  MutableBytes into_;
  size_t at_ = 0;
  bool full_ = false;
};

template <typename Enum>
uint8_t number(Enum value) {
  return static_cast<uint8_t>(value);
}

}  // namespace

Result<Bytes> encode(const Hello& report, MutableBytes into) {
  Body body(into);
  body.u8(number(report.mode));
  body.text(report.board);
  body.text(report.fw_version);
  body.text(report.engine);
  body.append(report.fw_hash);
  body.text(report.model_version);
  body.text(report.model_name);
  body.append(report.model_hash);
  body.u8(report.reset_reason);
  body.u32(report.boots);
  return body.written();
}

Result<Bytes> encode(const ResultReport& report, MutableBytes into) {
  const size_t total = report.data.size() < UINT16_MAX ? report.data.size() : UINT16_MAX;
  Body body(into);
  body.u32(report.inference);
  body.u8(number(report.source));
  body.u8(number(report.status));
  body.u8(report.output);
  body.u8(report.outputs);
  body.u8(report.dtype);
  body.f32(report.scale);
  body.u32(static_cast<uint32_t>(report.zero_point));
  body.u32(report.invoke_us);
  body.u32(report.uptime_ms);
  body.append(report.model_hash);
  body.u16(static_cast<uint16_t>(total));
  body.append_cut(report.data);
  return body.written();
}

Result<Bytes> encode(const Health& report, MutableBytes into) {
  Body body(into);
  body.u32(report.uptime_ms);
  body.u32(report.boots);
  body.u8(report.reset_reason);
  body.u8(number(report.mode));
  body.u8(number(report.self_test));
  body.u8(number(report.fw_state));
  body.u8(number(report.model_state));
  for (const uint32_t value :
       {report.arena_used, report.arena_size, report.inferences, report.invoke_us_mean, report.invoke_us_max,
        report.rx_bad, report.rx_overruns, report.tx_dropped, report.stack_free, report.reports}) {
    body.u32(value);
  }
  return body.written();
}

Result<Bytes> encode(const Log& report, MutableBytes into) {
  Body body(into);
  body.u8(number(report.level));
  body.append_cut(Body::as_bytes(report.text));
  return body.written();
}

Result<Bytes> encode(const Bye& report, MutableBytes into) {
  Body body(into);
  body.u8(number(report.reason));
  return body.written();
}

}  // namespace edged::protocol
