/* An external delegate that stands in for an accelerator and its library, down to the ways in which they fail.
 *
 * It takes over the operators that Coral's compiler leaves in a model (CUSTOM "edgetpu-custom-op") and RESHAPE: two float inputs are added,
 * anything else is copied, so that results are known. What it does wrong is read from a file beside it, LIBRARY.control, at each creation
 * and each inference, so that a test can break and mend a running daemon:
 *
 *   create fail TEXT | create abort     cannot be created, with TEXT for the error callback
 *   create options                      cannot be created, with the options it was given as the text
 *   take none                           takes over no operator
 *   add 1.5                             is added to float results: proof that they are ours
 *   invoke abort | segfault | error | hang
 *
 * Interface: tflite/delegates/external/external_delegate_interface.h; structures: tflite/core/c/common.h, both of
 * https://github.com/google-ai-edge/LiteRT. Declared here as far as they are used; arrays of TfLiteTensor need all of its fields.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, FLOAT32 = 1, RESHAPE = 22, CUSTOM = 32, ALLOW_DYNAMIC_TENSORS = 1 };

typedef struct {
  int size;
  int data[];
} TfLiteIntArray;

typedef struct {
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
} TfLiteTensor;

typedef struct {
  TfLiteIntArray *inputs, *outputs, *intermediates, *temporaries;
  void *user_data, *builtin_data;
} TfLiteNode; /* the rest is not used */

struct TfLiteContext;
typedef struct {
  void* (*init)(struct TfLiteContext*, const char* buffer, size_t length);
  void (*free)(struct TfLiteContext*, void* buffer);
  int (*prepare)(struct TfLiteContext*, TfLiteNode*);
  int (*invoke)(struct TfLiteContext*, TfLiteNode*);
  const char* (*profiling_string)(const struct TfLiteContext*, const TfLiteNode*);
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void *registration_external, *async_kernel;
  uint64_t inplace_operator;
} TfLiteRegistration;

typedef struct TfLiteDelegate {
  void* data;
  int (*prepare)(struct TfLiteContext*, struct TfLiteDelegate*);
  void *copy_from_buffer_handle, *copy_to_buffer_handle, *free_buffer_handle;
  int64_t flags;
  void* opaque_delegate_builder;
} TfLiteDelegate;

typedef struct {
  TfLiteDelegate* delegate;
  TfLiteIntArray *nodes_to_replace, *input_tensors, *output_tensors;
} TfLiteDelegateParams;

typedef struct TfLiteContext {
  size_t tensors_size;
  int (*get_execution_plan)(struct TfLiteContext*, TfLiteIntArray**);
  TfLiteTensor* tensors;
  void* impl;
  void* resize_tensor;
  void (*report_error)(struct TfLiteContext*, const char*, ...);
  void* add_tensors;
  int (*get_node_and_registration)(struct TfLiteContext*, int, TfLiteNode**, TfLiteRegistration**);
  int (*replace_node_subsets)(struct TfLiteContext*, TfLiteRegistration, const TfLiteIntArray*, TfLiteDelegate*);
} TfLiteContext; /* the rest is not used */

typedef struct {
  int first, second, output; /* tensors; second is -1 if there is only one input */
} Step;

typedef struct {
  int count;
  Step steps[];
} Kernel;

/* What the control file says about `verb`, "" if nothing. */
static const char* control(const char* verb) {
  static char line[256];
  char path[4096];
  Dl_info self;
  dladdr((void*)control, &self);
  snprintf(path, sizeof path, "%s.control", self.dli_fname);
  FILE* file = fopen(path, "r");
  bool found = false;
  while (file && !found && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    found = !strncmp(line, verb, strlen(verb)) && line[strlen(verb)] == ' ';
  }
  if (file) fclose(file);
  return found ? line + strlen(verb) + 1 : "";
}

static void* kernel_init(TfLiteContext* context, const char* buffer, size_t length) {
  (void)length;
  const TfLiteDelegateParams* params = (const TfLiteDelegateParams*)buffer;
  const TfLiteIntArray* nodes = params->nodes_to_replace;
  Kernel* kernel = malloc(sizeof *kernel + nodes->size * sizeof(Step));
  kernel->count = nodes->size;
  for (int i = 0; i < nodes->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    context->get_node_and_registration(context, nodes->data[i], &node, &registration);
    bool two = registration->builtin_code == CUSTOM && node->inputs->size == 2 &&
               context->tensors[node->inputs->data[0]].type == FLOAT32;
    kernel->steps[i] = (Step){node->inputs->data[0], two ? node->inputs->data[1] : -1, node->outputs->data[0]};
  }
  return kernel;
}

static void kernel_free(TfLiteContext* context, void* buffer) {
  (void)context;
  free(buffer);
}

static int kernel_prepare(TfLiteContext* context, TfLiteNode* node) {
  (void)context, (void)node;
  return OK;
}

static int kernel_invoke(TfLiteContext* context, TfLiteNode* node) {
  const char* fault = control("invoke");
  if (!strcmp(fault, "abort")) abort();
  if (!strcmp(fault, "segfault")) *(volatile int*)8 = 0;
  if (!strcmp(fault, "hang")) pause();
  if (!strcmp(fault, "error")) {
    context->report_error(context, "transfer on bulk endpoint 1 failed");
    return ERROR;
  }
  float extra = strtof(control("add"), NULL);
  const Kernel* kernel = node->user_data;
  for (int i = 0; i < kernel->count; i++) {
    const Step* step = &kernel->steps[i];
    const TfLiteTensor* first = &context->tensors[step->first];
    TfLiteTensor* output = &context->tensors[step->output];
    if (step->second < 0) {
      memcpy(output->data, first->data, output->bytes);
      continue;
    }
    const float* second = context->tensors[step->second].data;
    for (size_t k = 0; k < output->bytes / sizeof(float); k++)
      ((float*)output->data)[k] = ((const float*)first->data)[k] + second[k] + extra;
  }
  return OK;
}

static bool ours(const TfLiteRegistration* registration) {
  if (registration->builtin_code == CUSTOM) return registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op");
  return registration->builtin_code == RESHAPE;
}

static int delegate_prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteIntArray* plan;
  if (context->get_execution_plan(context, &plan) != OK) return ERROR;
  TfLiteIntArray* taken = malloc(sizeof *taken + plan->size * sizeof(int));
  int* nodes = malloc(plan->size * sizeof(int)); /* the plan is the runtime's, and may move under our feet */
  int size = plan->size;
  memcpy(nodes, plan->data, size * sizeof(int));
  taken->size = 0;
  for (int i = 0; i < size && strcmp(control("take"), "none"); i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    context->get_node_and_registration(context, nodes[i], &node, &registration);
    if (ours(registration)) taken->data[taken->size++] = nodes[i];
  }
  TfLiteRegistration kernel = {.init = kernel_init, .free = kernel_free, .prepare = kernel_prepare, .invoke = kernel_invoke,
                               .custom_name = "stand-in", .version = 1};
  int status = context->replace_node_subsets(context, kernel, taken, delegate);
  free(taken);
  free(nodes);
  return status;
}

TfLiteDelegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*report)(const char*)) {
  const char* fault = control("create");
  if (!strcmp(fault, "abort")) abort();
  if (!strncmp(fault, "fail", 4)) {
    report(fault + 4 + (fault[4] == ' '));
    return NULL;
  }
  if (!strcmp(fault, "options")) {
    char text[256] = "";
    for (size_t i = 0; i < count; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%s;", keys[i], values[i]);
    report(text);
    return NULL;
  }
  TfLiteDelegate* delegate = calloc(1, sizeof *delegate);
  delegate->prepare = delegate_prepare;
  delegate->flags = ALLOW_DYNAMIC_TENSORS; /* else the runtime prepares the custom operators first, which it cannot */
  return delegate;
}

void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) { free(delegate); }
