#include "app/inference.h"

#include <cstring>

#include "app/limits.h"

namespace edged::app {
namespace {

constexpr uint32_t aligned(uint32_t value, uint32_t to) { return (value + to - 1) / to * to; }

// What a step does besides its inference: an input is copied, results are sent (a kilobyte takes a second at 9,600
// baud).
constexpr uint32_t kStepMarginMs = 2000;
static_assert(ml::kMaxInvokeMs + kStepMarginMs <= kWatchdogMs,
              "a model that the engine takes does not end in the watchdog");

constexpr uint32_t kVectorAlignment = 4;  // of each tensor in a golden vector

// Whether each element of a is within `tolerance` of b's. What is not a byte each has to be equal.
bool near(const ml::Tensor& found, const uint8_t* expected, uint8_t tolerance) {
  if (found.type != ml::Type::kInt8 && found.type != ml::Type::kUint8) {
    return std::memcmp(found.data, expected, found.bytes) == 0;
  }
  for (uint32_t i = 0; i < found.bytes; ++i) {
    const bool is_signed = found.type == ml::Type::kInt8;
    const int a = is_signed ? static_cast<int8_t>(found.data[i]) : found.data[i];
    const int b = is_signed ? static_cast<int8_t>(expected[i]) : expected[i];
    if (a - b > tolerance || b - a > tolerance) return false;
  }
  return true;
}

}  // namespace

Status Inference::load(Bytes package) {
  loaded_ = false;
  if (const Status status = boot::Package::open(package, package_); !ok(status)) {
    return refuse(status, "the model's package is damaged, or of another version");
  }
  const Status status = engine_.load(package_.model(), arena_);
  diagnosis_ = engine_.diagnosis();
  if (!ok(status)) return status;
  if (const Status planned = plan_staging(); !ok(planned)) return planned;
  loaded_ = true;
  return Status::kOk;
}

Status Inference::refuse(Status status, const char* what) {
  diagnosis_ = {};
  diagnosis_.status = status;
  diagnosis_.what = what;
  return status;
}

Status Inference::plan_staging() {
  if (engine_.inputs() > kMaxInputs) return refuse(Status::kTooLarge, "the model has more than 8 inputs");
  uint32_t begin = 0;
  for (uint32_t i = 0; i < engine_.inputs(); ++i) {
    staged_[i] = {begin, 0};
    begin = aligned(begin + engine_.input(i).bytes, ml::kArenaAlignment);
    if (begin > staging_.size()) return refuse(Status::kTooLarge, "the inputs are larger than the memory for them");
  }
  return Status::kOk;
}

Status Inference::stage(uint32_t index, uint32_t offset, Bytes data) {
  if (!loaded_) return Status::kNotFound;
  if (index >= engine_.inputs()) return Status::kOutOfRange;
  Staged& staged = staged_[index];
  if (offset == 0) staged.filled = 0;
  if (offset != staged.filled || data.size() > engine_.input(index).bytes - offset) return Status::kOutOfRange;
  if (!data.empty()) std::memcpy(staging_.data() + staged.begin + offset, data.data(), data.size());
  staged.filled += static_cast<uint32_t>(data.size());
  return Status::kOk;
}

Status Inference::invoke_staged() {
  if (!loaded_) return Status::kNotFound;
  for (uint32_t i = 0; i < engine_.inputs(); ++i) {
    if (staged_[i].filled != engine_.input(i).bytes) return Status::kWrongState;
  }
  for (uint32_t i = 0; i < engine_.inputs(); ++i) {
    const ml::Tensor input = engine_.input(i);
    std::memcpy(input.data, staging_.data() + staged_[i].begin, input.bytes);
  }
  return invoke();
}

Status Inference::invoke() {
  if (!loaded_) return Status::kNotFound;
  const uint32_t began = clock_();
  const Status status = engine_.invoke();
  timing_.last_us = clock_() - began;
  if (timing_.last_us > timing_.max_us) timing_.max_us = timing_.last_us;
  total_us_ += timing_.last_us;
  ++timing_.count;
  timing_.mean_us = static_cast<uint32_t>(total_us_ / timing_.count);
  return status;
}

Status Inference::test(uint32_t index) {
  if (!loaded_) return Status::kNotFound;
  if (index >= package_.vectors()) return Status::kOutOfRange;
  const boot::GoldenVector vector = package_.vector(index);
  forget();
  uint32_t begin = 0;
  for (uint32_t i = 0; i < engine_.inputs(); ++i) {
    const ml::Tensor input = engine_.input(i);
    if (begin > vector.input.size() || input.bytes > vector.input.size() - begin) return Status::kSelfTest;
    std::memcpy(input.data, vector.input.data() + begin, input.bytes);
    begin = aligned(begin + input.bytes, kVectorAlignment);
  }
  if (const Status status = invoke(); !ok(status)) return status;
  return matches(vector) ? Status::kOk : Status::kSelfTest;
}

bool Inference::matches(const boot::GoldenVector& vector) const {
  uint32_t begin = 0;
  for (uint32_t i = 0; i < engine_.outputs(); ++i) {
    const ml::Tensor output = engine_.output(i);
    if (begin > vector.output.size() || output.bytes > vector.output.size() - begin) return false;
    if (!near(output, vector.output.data() + begin, vector.tolerance)) return false;
    begin = aligned(begin + output.bytes, kVectorAlignment);
  }
  return true;
}

}  // namespace edged::app
