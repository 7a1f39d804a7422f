// Invariant: any bytes are refused, with a reason, or they are a model that runs; nothing outside of the model and the
// arena is read or written, and what comes out depends on what goes in and nothing else. A refusal that says how many
// bytes of arena are needed is right.
//
// Models that would take long are loaded but not run: what they could do wrong, smaller ones can.
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "ml/native/interpreter.h"

namespace {

using edged::ml::Diagnosis;
using edged::ml::native::Interpreter;

constexpr size_t kArenaBytes = 32 * 1024;  // less than some of the seeds need
constexpr uint32_t kMaxArenaBytes = 1024 * 1024;
constexpr uint64_t kMaxWorkRun = 3000000;

// Memory of its own for each input and of just its size, so that the sanitizer sees each byte beyond.
class Aligned {
 public:
  explicit Aligned(size_t size) : size_(size) {
    if (posix_memalign(&data_, edged::ml::kModelAlignment, size) != 0) std::abort();
  }
  ~Aligned() { std::free(data_); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  [[nodiscard]] uint8_t* data() const { return static_cast<uint8_t*>(data_); }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  size_t size_;
  void* data_ = nullptr;
};

// What comes out, for one input.
std::vector<uint8_t> run(Interpreter& interpreter, const uint8_t* data, size_t size) {
  for (uint32_t i = 0; i < interpreter.inputs(); ++i) {
    const edged::ml::Tensor input = interpreter.input(i);
    for (uint32_t k = 0; k < input.bytes; ++k) input.data[k] = data[k % size];
  }
  std::vector<uint8_t> all;
  if (!edged::ok(interpreter.invoke())) return all;
  for (uint32_t i = 0; i < interpreter.outputs(); ++i) {
    const edged::ml::Tensor output = interpreter.output(i);
    all.insert(all.end(), output.data, output.data + output.bytes);
  }
  return all;
}

// What was told as needed is enough, or leads to more.
void check_needed(const Aligned& model, uint32_t needed) {
  if (needed > kMaxArenaBytes) return;
  const Aligned arena(needed);
  Diagnosis diagnosis;
  const Interpreter* interpreter = Interpreter::load({model.data(), model.size()}, {arena.data(), needed}, diagnosis);
  if (interpreter == nullptr && diagnosis.needed != 0 && diagnosis.needed <= needed) std::abort();
}

Interpreter* load(const Aligned& model, const Aligned& arena) {
  Diagnosis diagnosis;
  Interpreter* interpreter = Interpreter::load({model.data(), model.size()}, {arena.data(), arena.size()}, diagnosis);
  if ((interpreter == nullptr) == edged::ok(diagnosis.status)) std::abort();
  if (interpreter == nullptr && diagnosis.what[0] == 0) std::abort();
  if (diagnosis.needed != 0) check_needed(model, diagnosis.needed);
  if (interpreter != nullptr && interpreter->arena_used() > arena.size()) std::abort();
  return interpreter;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Aligned model(size);
  std::memcpy(model.data(), data, size);
  static Aligned arena(kArenaBytes);
  std::memset(arena.data(), 0xa5, arena.size());
  Interpreter* interpreter = load(model, arena);
  if (interpreter == nullptr || interpreter->work() > kMaxWorkRun) return 0;
  const std::vector<uint8_t> first = run(*interpreter, data, size);
  interpreter->reset_state();  // what some operators keep
  if (first != run(*interpreter, data, size)) std::abort();
  interpreter = load(model, arena);
  if (interpreter == nullptr || first != run(*interpreter, data, size)) std::abort();
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// A flatbuffer is words that are offsets, lengths, indices and numbers: one of them becomes another that is likely to
// mean something. One time in four libFuzzer does what it always does.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::minstd_rand random(seed);
  if (size < 8 || random() % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  static constexpr uint32_t kWords[] = {0,  1,   2,   3,   4,      6,       8,          9,          17,        22,
                                        25, 127, 128, 255, 0x7fff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};
  const size_t unit = random() % 3 == 0 ? 2 : (random() % 4 == 0 ? 1 : 4);
  const size_t at = random() % (size / unit) * unit;
  uint32_t word = 0;
  std::memcpy(&word, data + at, unit);
  switch (random() % 4) {
    case 0:
      word = kWords[random() % (sizeof(kWords) / sizeof(kWords[0]))];
      break;
    case 1:
      word += static_cast<uint32_t>(random() % 9) - 4;
      break;
    case 2:
      word = static_cast<uint32_t>(random() % (size + 8));
      break;
    default:
      std::memcpy(&word, data + random() % (size / unit) * unit, unit);
      break;
  }
  std::memcpy(data + at, &word, unit);
  return size;
}
