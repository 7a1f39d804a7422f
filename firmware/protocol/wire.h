// A device's end of the line: requests in, answers and reports out, never one inside of another.
//
// A report is 00, COBS of (version, type, sequence number, body, CRC-32), 00. An answer is a packet of SMP. Both are
// written whole; what is to be sent while something is being sent (from whatever the port does while it waits for its
// transmitter) is refused, and a report so lost is counted.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"
#include "hal/serial.h"
#include "protocol/cobs.h"
#include "protocol/report.h"
#include "protocol/smp_frame.h"

namespace edged::protocol {

class Wire {
 public:
  // The memory is for one request: kMaxMessage bytes if the device is to take what OsGroup says that it takes.
  Wire(hal::Serial& serial, MutableBytes memory) : serial_(serial), receiver_(memory) {}

  // The next request that has come, valid until the next call; kNotFound: none is complete. It takes so
  // many bytes and no more: rubbish may come for as long, and as fast, as it likes.
  Result<Bytes> receive();
  // Whether the last receive() found none but did not see all that has come.
  [[nodiscard]] bool more() const { return more_; }
  // Sends an answer. kWrongState: something is being sent.
  Status answer(Bytes message);
  // Sends a report; it is gone, and counted, if that fails. kWrongState: something is being sent; kTooLarge.
  template <typename Report>
  Status report(const Report& report) {
    if (sending_) return drop(Status::kWrongState);
    const Result<Bytes> body = encode(report, body_);
    return body.ok() ? frame(Report::kType, body.value()) : drop(body.status());
  }

  // Counters since start. A report is dropped if it was not sent, or not all of it left.
  [[nodiscard]] uint32_t reports() const { return reports_; }
  [[nodiscard]] uint32_t dropped() const { return dropped_; }
  [[nodiscard]] uint32_t bad() const { return bad_; }  // packets that came and were lost
  [[nodiscard]] uint32_t overruns() const { return serial_.overruns(); }

 private:
  static constexpr size_t kChunk = 64;     // bytes taken from the port at a time
  static constexpr size_t kMaxFed = 8192;  // in one receive(): more than a packet of the largest request

  Status frame(ReportType type, Bytes body);
  Status drop(Status why) {
    ++dropped_;
    return why;
  }
  void stuff(Bytes bytes);

  hal::Serial& serial_;
  SmpReceiver receiver_;
  CobsEncoder cobs_;
  bool sending_ = false;
  bool more_ = false;
  uint32_t reports_ = 0;
  uint32_t dropped_ = 0;
  uint32_t bad_ = 0;
  size_t taken_ = 0;  // of the chunk
  size_t come_ = 0;
  uint8_t chunk_[kChunk];
  uint8_t body_[kMaxBody];
};

}  // namespace edged::protocol
