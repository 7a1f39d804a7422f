// From reset to main(), and from a fault to the next reset.
#include <cstddef>
#include <cstdint>

#include "facts.h"
#include "ports/common/board.h"
#include "ports/common/registers.h"
#include "ports/common/reset_note.h"
#include "ports/common/stack.h"

// Of the linker script.
extern "C" {
extern uint32_t __data_load, __data_start, __data_end, __bss_start, __bss_end, __stack_limit, __stack_top;
extern const char __first_program;  // its address is 1 in what a reset starts, 0 in what a loader starts
extern void (*__init_array_start[])();
extern void (*__init_array_end[])();
void Reset_Handler();
void Fault_Handler();
void SysTick_Handler();
void Interrupt_Handler();
int main();
}

namespace edged::ports {
namespace {

// The core's 16 exceptions and as many lines as reach the console's receiver on every board here (the highest is 33).
constexpr size_t kVectors = 16 + 64;
// A vector table lies on a multiple of the next power of two above its size.
constexpr size_t kVectorsAlignment = 512;
constexpr uint32_t kNmi = 2;  // number of the exception
using Vector = void (*)();

// BFHFNMIGN: in the handler of a fault, reading what is no memory gives anything, where else the core would lock up. A
// program that lost its stack pointer leaves such a frame.
constexpr uint32_t kIgnoreBusFaults = 1u << 8;

// MSTKERR: the core could not push a frame; STKOF: it stopped at the limit (Armv8-M).
constexpr uint32_t kStackFaults = 1u << 20 | 1u << 4;

struct Table {
  void* stack;
  Vector entries[kVectors - 1];
};

constexpr Table table() {
  Table result{&__stack_top, {}};
  for (Vector& entry : result.entries) entry = Interrupt_Handler;
  result.entries[0] = Reset_Handler;
  for (size_t i = 1; i < 15; ++i) result.entries[i] = Fault_Handler;  // NMI, faults, calls that nobody makes
  result.entries[14] = SysTick_Handler;
  return result;
}

[[gnu::section(".vectors"), gnu::used]] const Table kTable = table();
// A Cortex-M3 takes vectors only from its code and SRAM regions; so every program runs with a copy that its linker
// script puts there.
[[gnu::section(".ram_vectors"), gnu::aligned(kVectorsAlignment)]] Table ram_table;

void text(const char* words) {
  for (; *words != 0; ++words) board::put(*words);
}

void number(const char* name, uint32_t value) {
  text(name);
  for (int shift = 28; shift >= 0; shift -= 4) board::put("0123456789abcdef"[(value >> shift) & 15]);
}

void report_registers(const uint32_t* frame) {
  number(" pc=", frame[6]);
  number(" lr=", frame[5]);
  number(" psr=", frame[7]);
  number(" r0=", frame[0]);
  number(" r1=", frame[1]);
  number(" r2=", frame[2]);
  number(" r3=", frame[3]);
  number(" r12=", frame[4]);
}

// [[gnu::noinline]]: keeps what follows start-up out of the frame of the reset handler.
[[gnu::noinline]] void prepare_memory() {
  const uint32_t* from = &__data_load;
  for (uint32_t* to = &__data_start; to < &__data_end; ++to) *to = *from++;
  for (uint32_t* to = &__bss_start; to < &__bss_end; ++to) *to = 0;
  ram_table = kTable;
  reg(core::kVectorTable) = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&ram_table));
}

}  // namespace
}  // namespace edged::ports

using namespace edged;
using namespace edged::ports;

extern "C" [[noreturn]] void start_program() {
  reg(core::kCoprocessorAccess) |= 0xFu << 20;  // FPU and vector unit, where there is one; else the bits stay 0
  barrier();
  guard_stack();
  paint_stack();
  prepare_memory();
  if (reinterpret_cast<uintptr_t>(&__first_program) == 1) begin_reset_note();
  board::start();
  for (auto constructor = __init_array_start; constructor < __init_array_end; ++constructor) (*constructor)();
  enable_interrupts();
  main();
  system().reset();
  for (;;) barrier();
}

// What a loader starts comes here with the loader's stack pointer set to ours already; what a reset starts, too.
extern "C" [[gnu::naked]] void Reset_Handler() {
  __asm volatile(
      "cpsid i\n\t"
      "ldr r0, =__stack_top\n\t"
      "mov sp, r0\n\t"
      "b start_program");
}

extern "C" [[noreturn, gnu::used]] void report_fault(const uint32_t* frame) {
  const uint32_t exception = reg(core::kInterruptState) & 0x1FF;
  reg(core::kConfiguration) = reg(core::kConfiguration) | kIgnoreBusFaults;
  if (overflowed(frame) || (reg(core::kFaultStatus) & kStackFaults) != 0) {
    text("\r\nstack overflow");
  } else {
    text(exception == kNmi ? "\r\nwatchdog" : "\r\nfault");
    report_registers(frame);
  }
  number(" cfsr=", reg(core::kFaultStatus));
  number(" hfsr=", reg(core::kHardFaultStatus));
  number(" mmfar=", reg(core::kMemoryFaultAddress));
  number(" bfar=", reg(core::kBusFaultAddress));
  number(" exception=", exception);
  text("\r\n");
  // A watchdog may warn by an NMI before it resets: then this has told where the program hung.
  expect_ending(exception == kNmi ? hal::ResetReason::kWatchdog : hal::ResetReason::kFault);
  reg(core::kResetControl) = 0x05FA0004;
  for (;;) barrier();
}

// A stack that overflowed cannot carry the report: it gets the top of the stack again, and the frame is read from where
// it was.
extern "C" [[gnu::naked]] void Fault_Handler() {
  __asm volatile(
      "mrs r0, msp\n\t"
      "ldr r1, =__stack_top\n\t"
      "mov sp, r1\n\t"
      "b report_fault");
}

extern "C" void Interrupt_Handler() { board::on_interrupt(); }
