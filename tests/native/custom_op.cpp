// A library of custom operators: RegisterTwice makes "Twice" known, which doubles its float input, and RegisterFragile makes "Fragile" known,
// which does the same unless a value is negative: then it writes to a place where nothing is.
//
// The runtime hands over a tflite::MutableOpResolver, a C++ class whose methods its wheel does not export: a library brings its own copy of
// them, built from the runtime's own headers with the same C++ library. Mirrored here is what is used of the classes in
// tflite/core/api/op_resolver.h and tflite/mutable_op_resolver.h of https://github.com/google-ai-edge/LiteRT, in their order.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

struct TfLiteIntArray {
  int size;
  int data[1];
};

struct TfLiteTensor {
  int type;
  void* data;
  TfLiteIntArray* dims;
  struct { float scale; int32_t zero_point; } params;
  int allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  void* delegate;
  int buffer_handle;
  bool data_is_stale, is_variable;
  struct { int type; void* params; } quantization;
  void* sparsity;
  const TfLiteIntArray* dims_signature;
};

struct TfLiteNode {
  TfLiteIntArray *inputs, *outputs;
};

struct TfLiteContext {
  size_t tensors_size;
  void* get_execution_plan;
  TfLiteTensor* tensors;
};

struct TfLiteRegistration {
  void* (*init)(TfLiteContext*, const char*, size_t);
  void (*free)(TfLiteContext*, void*);
  int (*prepare)(TfLiteContext*, TfLiteNode*);
  int (*invoke)(TfLiteContext*, TfLiteNode*);
  void* profiling_string;
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void *registration_external, *async_kernel;
  uint64_t inplace_operator;
};

struct KeyHasher {  // op_resolver_hasher::OperatorKeyHasher over CombineHashes of tflite/util.h
  template <typename Key>
  size_t operator()(const Key& key) const {
    size_t result = 0;
    for (size_t hash : {std::hash<typename Key::first_type>()(key.first), std::hash<typename Key::second_type>()(key.second)})
      result ^= hash + 0x9e3779b97f4a7800ULL + (result << 10) + (result >> 4);
    return result;
  }
};

struct MutableOpResolver {
  void* virtual_methods;
  std::shared_ptr<void> registration_externals_cache;
  bool may_directly_contain_user_defined_ops;
  std::vector<std::function<void()>> delegate_creators, opaque_delegate_creators;
  std::unordered_map<std::pair<int, int>, TfLiteRegistration, KeyHasher> builtins;
  std::unordered_map<std::pair<std::string, int>, TfLiteRegistration, KeyHasher> custom_ops;
};

static int Prepare(TfLiteContext*, TfLiteNode*) { return 0; }

static int Invoke(TfLiteContext* context, TfLiteNode* node) {
  const TfLiteTensor& input = context->tensors[node->inputs->data[0]];
  TfLiteTensor& output = context->tensors[node->outputs->data[0]];
  for (size_t i = 0; i < output.bytes / sizeof(float); i++)
    static_cast<float*>(output.data)[i] = 2 * static_cast<const float*>(input.data)[i];
  return 0;
}

static int Break(TfLiteContext* context, TfLiteNode* node) {
  const TfLiteTensor& input = context->tensors[node->inputs->data[0]];
  for (size_t i = 0; i < input.bytes / sizeof(float); i++)
    if (static_cast<const float*>(input.data)[i] < 0) *reinterpret_cast<volatile char*>(8) = 0;
  return Invoke(context, node);
}

static void Register(MutableOpResolver* resolver, const char* name, int (*invoke)(TfLiteContext*, TfLiteNode*)) {
  TfLiteRegistration made{};
  made.prepare = Prepare;
  made.invoke = invoke;
  made.builtin_code = 32;  // BuiltinOperator_CUSTOM
  made.version = 1;
  auto& entry = *resolver->custom_ops.insert_or_assign({name, 1}, made).first;
  entry.second.custom_name = entry.first.first.c_str();
  resolver->may_directly_contain_user_defined_ops = true;
}

extern "C" void RegisterTwice(MutableOpResolver* resolver) { Register(resolver, "Twice", Invoke); }

extern "C" void RegisterFragile(MutableOpResolver* resolver) { Register(resolver, "Fragile", Break); }
