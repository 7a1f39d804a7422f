// A server of SMP on standard input and output, for tests with clients of others. Before each answer it reports.
#include <unistd.h>

#include <cstdint>

#include "protocol/os_group.h"
#include "protocol/smp_server.h"
#include "protocol/wire.h"

namespace edged::protocol {
namespace {

class Standard final : public hal::Serial {
 public:
  // Waits, unlike the line of a board: there is nothing else to do here.
  size_t read(MutableBytes into) override {
    const ssize_t count = ::read(STDIN_FILENO, into.data(), into.size());
    if (count <= 0) _exit(0);
    return static_cast<size_t>(count);
  }
  void write(Bytes from) override {
    while (!from.empty()) {
      const ssize_t count = ::write(STDOUT_FILENO, from.data(), from.size());
      if (count <= 0) _exit(1);
      from = from.from(static_cast<size_t>(count));
    }
  }
  uint32_t overruns() const override { return 0; }
};

// As SMP's group of images on a board that has none: nothing to list, and nothing may be confirmed.
class NoImages final : public SmpGroup {
 public:
  uint16_t id() const override { return 1; }
  Status handle(const SmpHeader& header, CborReader& /*body*/, CborWriter& /*out*/) override {
    if (header.command != 0) return Status::kUnsupported;
    return header.op == SmpOp::kRead ? Status::kNotFound : Status::kWrongState;
  }
  uint16_t error(Status status) const override { return status == Status::kNotFound ? kNoImage : kDenied; }

 private:
  static constexpr uint16_t kNoImage = 3;  // SMP's numbers of this group
  static constexpr uint16_t kDenied = 32;
};

int serve() {
  static uint8_t request_memory[kMaxMessage];
  static uint8_t answer_memory[kMaxMessage];
  static Standard line;
  static Wire wire(line, request_memory);
  OsGroup os;
  NoImages images;
  SmpGroup* const groups[] = {&os, &images};
  const SmpServer server(groups);
  while (os.reset_wanted() == OsGroup::Reset::kNone) {
    const Result<Bytes> request = wire.receive();
    if (!request.ok()) continue;
    if (!ok(wire.report(Log{LogLevel::kInfo, "a request"}))) return 1;
    const Result<Bytes> answer = server.answer(request.value(), answer_memory);
    if (answer.ok() && !ok(wire.answer(answer.value()))) return 1;
  }
  return os.reset_wanted() == OsGroup::Reset::kStayInLoader ? 42 : 0;
}

}  // namespace
}  // namespace edged::protocol

int main() { return edged::protocol::serve(); }
