// The model that runs: its engine, its golden vectors, what was staged for it, and how long it took.
//
// Without a model, or with one that cannot run, everything here says kNotFound; the firmware runs on.
#pragma once

#include <cstdint>

#include "boot/package.h"
#include "core/result.h"
#include "core/span.h"
#include "ml/engine.h"
#include "protocol/report.h"

namespace edged::app {

using protocol::SelfTest;

class Inference {
 public:
  static constexpr uint32_t kNoVector = 0xFFFFFFFF;
  // Inputs of one model; the .tflite of every model that fits a microcontroller so far has one or two.
  static constexpr uint32_t kMaxInputs = 8;

  struct Timing {
    uint32_t count = 0;
    uint32_t mean_us = 0;
    uint32_t max_us = 0;
    uint32_t last_us = 0;
  };
  using Clock = uint32_t (*)();  // microseconds, wraps

  // Arena and staging memory outlive this. Staging holds what clients write, apart from the arena, since golden vectors
  // and a sensor run in between.
  Inference(MutableBytes arena, MutableBytes staging, Clock clock) : arena_(arena), staging_(staging), clock_(clock) {}

  // Takes a verified package. As Engine::load(), and boot::Package::open(); kTooLarge for inputs that cannot be staged.
  [[nodiscard]] Status load(Bytes package);
  [[nodiscard]] bool loaded() const { return loaded_; }
  [[nodiscard]] const ml::Engine& engine() const { return engine_; }

  // Writes into the staged input `index`; offset 0 begins it anew. kOutOfRange if it is not the next byte.
  [[nodiscard]] Status stage(uint32_t index, uint32_t offset, Bytes data);
  // Runs what was staged; kWrongState while an input lacks bytes. What was staged stays for the next time.
  [[nodiscard]] Status invoke_staged();
  // Runs what lies in the engine's inputs.
  [[nodiscard]] Status invoke();

  // What the model kept of earlier inputs is gone.
  void forget() { engine_.reset_state(); }

  // Runs golden vector `index` on a model that remembers nothing, and compares. kSelfTest if an output is off by more
  // than the vector's tolerance.
  [[nodiscard]] Status test(uint32_t index);
  [[nodiscard]] uint32_t vectors() const { return loaded_ ? package_.vectors() : 0; }
  // What all of them said.
  void conclude(SelfTest result, uint32_t failed) {
    self_test_ = result;
    failed_vector_ = failed;
  }
  [[nodiscard]] SelfTest self_test() const { return self_test_; }
  [[nodiscard]] uint32_t failed_vector() const { return failed_vector_; }

  [[nodiscard]] const Timing& timing() const { return timing_; }
  [[nodiscard]] uint32_t arena_size() const { return static_cast<uint32_t>(arena_.size()); }
  // Whether there is a model that cannot run, and why.
  [[nodiscard]] bool refused() const { return !ok(diagnosis_.status); }
  [[nodiscard]] const ml::Diagnosis& diagnosis() const { return diagnosis_; }

 private:
  struct Staged {
    uint32_t begin = 0;
    uint32_t filled = 0;
  };

  [[nodiscard]] Status plan_staging();
  [[nodiscard]] Status refuse(Status status, const char* what);
  [[nodiscard]] bool matches(const boot::GoldenVector& vector) const;

  MutableBytes arena_;
  MutableBytes staging_;
  Clock clock_;
  ml::Engine engine_;
  boot::Package package_;
  Staged staged_[kMaxInputs];
  Timing timing_;
  uint64_t total_us_ = 0;
  SelfTest self_test_ = SelfTest::kNotRun;
  uint32_t failed_vector_ = kNoVector;
  ml::Diagnosis diagnosis_;
  bool loaded_ = false;
};

}  // namespace edged::app
