// The serial line of the host's board: a pseudo terminal, as slow as a line of a given rate where that is asked for.
#pragma once

#include <cstdint>
#include <deque>

#include "hal/serial.h"

namespace edged::host {

// Nobody at the other end: what is sent is lost, as on a cable that is not plugged in. Someone who does not read: sent
// bytes are lost after a while, for a UART waits for nobody.
class PtySerial final : public hal::Serial {
 public:
  // The terminal behind `fd`; opens one if `fd` is negative, and sets `fd`. Ends the program if the system has none.
  // `baud` 0: as fast as it goes.
  PtySerial(int& fd, uint32_t baud);

  [[nodiscard]] const char* name() const { return name_; }  // of the other end
  // Until bytes may be there to read, or for this long.
  void wait(uint32_t at_most_ms);

  [[nodiscard]] size_t read(MutableBytes into) override;
  void write(Bytes from) override;
  [[nodiscard]] uint32_t overruns() const override { return 0; }  // the system holds back who writes too fast

 private:
  static constexpr size_t kNameSize = 64;  // /dev/pts/ and a number

  void drain();
  [[nodiscard]] size_t put(Bytes from);

  int fd_;
  uint64_t byte_ns_;  // that a byte takes on the line, 0 for none
  std::deque<uint8_t> on_the_line_;
  uint64_t next_ns_ = 0;  // when the first of them has arrived
  uint64_t sent_ns_ = 0;  // when the last byte sent has left
  char name_[kNameSize] = {};
};

}  // namespace edged::host
