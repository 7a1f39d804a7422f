#include "ports/common/uart.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "ports/common/cmsdk_uart.h"
#include "ports/common/ns16550.h"

namespace edged::ports {
namespace {

// Registers that remember, at an address that fits 32 bits as a microcontroller's do.
class Registers {
 public:
  Registers() : memory_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0)) {
    EXPECT_NE(memory_, MAP_FAILED);
  }
  ~Registers() { munmap(memory_, kSize); }
  uint32_t base() const { return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(memory_)); }

 private:
  static constexpr size_t kSize = 4096;
  void* memory_;
};

constexpr uint8_t kBytes[] = {1, 2, 3};

TEST(Uart, CountsWhatItsTransmitterDidNotTake) {
  Registers registers;
  Ring ring;
  CmsdkUart uart(registers.base(), 25000000, 115200, ring);
  reg(registers.base() + 0x04) = 1;  // full, for ever
  uart.write(kBytes);
  EXPECT_EQ(uart.lost(), 3U);
  reg(registers.base() + 0x04) = 0;
  uart.write(kBytes);
  EXPECT_EQ(uart.lost(), 3U);
  EXPECT_EQ(reg(registers.base()), 3U);
}

TEST(Uart, CmsdkCountsBytesThatCameTooFast) {
  Registers registers;
  Ring ring;
  CmsdkUart uart(registers.base(), 25000000, 115200, ring);
  reg(registers.base() + 0x04) = 8;
  uart.on_interrupt();
  EXPECT_EQ(uart.overruns(), 1U);
  reg(registers.base() + 0x04) = 0;
  uart.on_interrupt();
  EXPECT_EQ(uart.overruns(), 1U);
}

TEST(Uart, Ns16550CountsThemWhoeverSeesThem) {
  Registers registers;
  Ring ring;
  Ns16550 uart(registers.base(), 71000000, 115200, ring);
  reg(registers.base() + 0x14) = 0x22;
  uart.on_interrupt();
  EXPECT_EQ(uart.overruns(), 1U);
  uart.put(1);
  EXPECT_EQ(uart.overruns(), 2U);
  EXPECT_EQ(uart.lost(), 0U);
}

}  // namespace
}  // namespace edged::ports
