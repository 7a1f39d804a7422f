#include "ports/host/pty_serial.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "ports/host/clock.h"

namespace edged::host {
namespace {

constexpr uint64_t kBitsOfByte = 10;      // with start and stop bit
constexpr size_t kMostOnTheLine = 65536;  // then who sends is held back by the system
constexpr size_t kFifo = 64;              // bytes written at a time
constexpr int kPatienceMs = 200;          // with someone who does not read
constexpr uint32_t kUnpluggedMs = 20;     // between two looks whether someone is there

int open_terminal() {
  int master = -1, slave = -1;
  termios raw{};
  cfmakeraw(&raw);
  if (openpty(&master, &slave, nullptr, &raw, nullptr) != 0 || fcntl(master, F_SETFL, O_NONBLOCK) != 0) {
    std::perror("edged-mcu: a pseudo terminal");
    std::exit(EXIT_FAILURE);
  }
  close(slave);
  return master;
}

}  // namespace

PtySerial::PtySerial(int& fd, uint32_t baud)
    : fd_(fd < 0 ? open_terminal() : fd), byte_ns_(baud == 0 ? 0 : kBitsOfByte * kSecondNs / baud) {
  fd = fd_;
  if (ptsname_r(fd_, name_, sizeof name_) != 0) {
    std::perror("edged-mcu: a pseudo terminal");
    std::exit(EXIT_FAILURE);
  }
}

void PtySerial::wait(uint32_t at_most_ms) {
  uint64_t until = now_ns() + at_most_ms * kMillisecondNs;
  if (!on_the_line_.empty()) {
    sleep_until_ns(std::min(until, next_ns_));
    return;
  }
  pollfd line = {fd_, POLLIN, 0};
  if (poll(&line, 1, static_cast<int>(at_most_ms)) > 0 && (line.revents & POLLHUP) != 0) {
    sleep_until_ns(std::min(until, now_ns() + kUnpluggedMs * kMillisecondNs));
  }
}

void PtySerial::drain() {
  uint8_t chunk[4096];
  while (on_the_line_.size() < kMostOnTheLine) {
    const ssize_t size = ::read(fd_, chunk, sizeof chunk);
    if (size <= 0) return;  // nothing, or nobody (EIO)
    if (on_the_line_.empty()) next_ns_ = std::max(next_ns_, now_ns() + byte_ns_);
    on_the_line_.insert(on_the_line_.end(), chunk, chunk + size);
  }
}

size_t PtySerial::read(MutableBytes into) {
  drain();
  const uint64_t now = now_ns();
  size_t size = 0;
  while (size < into.size() && !on_the_line_.empty() && next_ns_ <= now) {
    into[size++] = on_the_line_.front();
    on_the_line_.pop_front();
    next_ns_ += byte_ns_;
  }
  return size;
}

// How many bytes went.
size_t PtySerial::put(Bytes from) {
  pollfd line = {fd_, POLLOUT, 0};
  if (poll(&line, 1, kPatienceMs) <= 0 || (line.revents & POLLHUP) != 0) return 0;
  const ssize_t size = ::write(fd_, from.data(), from.size());
  return size < 0 ? 0 : static_cast<size_t>(size);
}

void PtySerial::write(Bytes from) {
  while (!from.empty()) {
    const size_t size = put(from.first(byte_ns_ == 0 ? from.size() : kFifo));
    if (size == 0) return;
    from = from.from(size);
    if (byte_ns_ == 0) continue;
    sent_ns_ = std::max(sent_ns_, now_ns()) + size * byte_ns_;
    sleep_until_ns(sent_ns_);
  }
}

}  // namespace edged::host
