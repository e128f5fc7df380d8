// Runs one generated program on the GPU: compares every element with plain loops in double
// precision on the CPU, times it with the caches flushed, and prints its share of the roofline.
//
// PROGRAM is the generated file; it defines lamina_run and describes its tensors. Arguments: bytes,
// fp32 operations and 16-bit operations a second of the GPU, as its machine description says.
// Exit status: 0 right, 1 wrong, 3 no GPU, 2 anything else.
#include PROGRAM

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

using Numbers = std::vector<double>;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s: %s\n", lamina_name, what, cudaGetErrorString(error));
  std::exit(2);
}

long elements(const LaminaTensor& tensor) {
  long n = 1;
  for (int a = 0; a < tensor.rank; ++a) n *= tensor.shape[a];
  return n;
}

bool is_bf16(const LaminaTensor& tensor) { return std::string(tensor.dtype) == "bf16"; }
std::size_t bytes(const LaminaTensor& tensor) {
  return static_cast<std::size_t>(elements(tensor)) * (is_bf16(tensor) ? 2 : 4);
}

// To memory and back: `numbers` become what the memory holds.
std::vector<char> stored(const LaminaTensor& tensor, Numbers& numbers) {
  std::vector<char> memory(bytes(tensor));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    float x = static_cast<float>(numbers[i]);
    unsigned u = 0;
    std::memcpy(&u, &x, 4);
    if (is_bf16(tensor)) {
      u = (u + 0x7fffu + (u >> 16 & 1u)) & 0xffff0000u;
      const auto half = static_cast<unsigned short>(u >> 16);
      std::memcpy(&memory[2 * i], &half, 2);
    } else {
      std::memcpy(&memory[4 * i], &u, 4);
    }
    std::memcpy(&x, &u, 4);
    numbers[i] = x;
  }
  return memory;
}

Numbers loaded(const LaminaTensor& tensor, const std::vector<char>& memory) {
  Numbers numbers(static_cast<std::size_t>(elements(tensor)));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    unsigned u = 0;
    unsigned short half = 0;
    float x = 0;
    std::memcpy(is_bf16(tensor) ? static_cast<void*>(&half) : &u,
                &memory[i * (is_bf16(tensor) ? 2 : 4)], is_bf16(tensor) ? 2 : 4);
    if (is_bf16(tensor)) u = static_cast<unsigned>(half) << 16;
    std::memcpy(&x, &u, 4);
    numbers[i] = x;
  }
  return numbers;
}

double flops = 0;  // of all products

// a is [m, k], b is [k, n].
Numbers product(const double* a, const double* b, long m, long k, long n) {
  flops += 2.0 * m * k * n;
  Numbers c(static_cast<std::size_t>(m * n), 0.0);
  for (long i = 0; i < m; ++i)
    for (long l = 0; l < k; ++l)
      for (long j = 0; j < n; ++j) c[i * n + j] += a[i * k + l] * b[l * n + j];
  return c;
}

// Vectors of `length` elements, `step` apart, divided by the root of the mean of their squares.
void normalize(double* x, long vectors, long length, long step, double epsilon) {
  for (long v = 0; v < vectors; ++v) {
    double* first = step == 1 ? x + v * length : x + v;
    double sum = 0;
    for (long i = 0; i < length; ++i) sum += first[i * step] * first[i * step];
    const double scale = 1 / std::sqrt(sum / length + epsilon);
    for (long i = 0; i < length; ++i) first[i * step] *= scale;
  }
}

Numbers attention(const std::vector<Numbers>& in, bool norms) {
  const long* q = lamina_inputs[0].shape;
  const long rows = q[1], width = q[2], keys = lamina_inputs[1].shape[2];
  Numbers out;
  for (long head = 0; head < q[0]; ++head) {
    Numbers query(in[0].begin() + head * rows * width, in[0].begin() + (head + 1) * rows * width);
    Numbers key(in[1].begin() + head * width * keys, in[1].begin() + (head + 1) * width * keys);
    if (norms) normalize(query.data(), rows, width, 1, 1e-6);
    if (norms) normalize(key.data(), keys, width, keys, 1e-6);
    Numbers scores = product(query.data(), key.data(), rows, width, keys);
    for (long i = 0; i < rows; ++i) {
      double* row = &scores[i * keys];
      const double top = *std::max_element(row, row + keys);
      double sum = 0;
      for (long j = 0; j < keys; ++j) sum += row[j] = std::exp(0.125 * (row[j] - top));
      for (long j = 0; j < keys; ++j) row[j] /= sum;
    }
    const Numbers one = product(scores.data(), &in[2][head * keys * width], rows, keys, width);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

// exp(x a) b, of each expert its own.
Numbers experts(const std::vector<Numbers>& in) {
  const long* x = lamina_inputs[0].shape;
  const long rows = x[1], depth = x[2], inner = lamina_inputs[1].shape[2];
  const long columns = lamina_inputs[2].shape[2];
  Numbers out;
  for (long e = 0; e < x[0]; ++e) {
    Numbers y = product(&in[0][e * rows * depth], &in[1][e * depth * inner], rows, depth, inner);
    for (double& value : y) value = std::exp(value);
    y = product(y.data(), &in[2][e * inner * columns], rows, inner, columns);
    out.insert(out.end(), y.begin(), y.end());
  }
  return out;
}

// The programs of examples/programs.
Numbers reference(std::vector<Numbers> in) {
  const std::string name = lamina_name;
  const long rows = lamina_inputs[0].shape[0], depth = lamina_inputs[0].shape[1];
  if (name == "moe") return experts(in);
  if (name == "qk_norm_gqa") return attention(in, true);
  if (name == "gqa" || name == "mha" || name == "mqa") return attention(in, false);
  if (name == "norm_transformer") {
    normalize(in[0].data(), rows, depth, 1, 1e-6);
    Numbers y(in[0].size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = in[1][i] + in[2][i] * (in[0][i] + in[1][i]);
    normalize(y.data(), rows, depth, 1, 1e-6);
    return y;
  }
  const long columns = lamina_outputs[0].shape[1];
  if (name == "rms_norm_linear") normalize(in[0].data(), rows, depth, 1, 1e-6);
  Numbers y = product(in[0].data(), in[1].data(), rows, depth, columns);
  if (name == "gated_mlp") {
    const Numbers up = product(in[0].data(), in[2].data(), rows, depth, columns);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= up[i] / (1 + std::exp(-y[i]));
  } else if (name == "lora") {
    const long rank = lamina_inputs[2].shape[1];
    const Numbers down = product(in[0].data(), in[2].data(), rows, depth, rank);
    const Numbers up = product(down.data(), in[3].data(), rows, rank, columns);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += up[i];
  } else if (name != "rms_norm_linear") {
    std::fprintf(stderr, "%s: no reference for this program\n", lamina_name);
    std::exit(2);
  }
  return y;
}

// Of the elements, relative to their size and that of the mean.
double worst_error(const Numbers& got, const Numbers& want) {
  double mean = 1e-30, worst = 0;
  for (const double x : want) mean += std::fabs(x) / want.size();
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::fabs(got[i] - want[i]) / (std::fabs(want[i]) + mean);
    worst = error >= worst || error != error ? error : worst;
    if (worst != worst) return worst;
  }
  return worst;
}

// Median milliseconds of a run whose inputs are not in the caches.
double median_ms(void* const* inputs, void* const* outputs, void* arena, std::size_t cache) {
  constexpr int kRuns = 51;
  void* flush = nullptr;
  check(cudaMalloc(&flush, 4 * cache), "memory to flush the caches");
  cudaEvent_t start, stop;
  check(cudaEventCreate(&start), "event");
  check(cudaEventCreate(&stop), "event");
  std::vector<float> times;
  for (int run = 0; run < kRuns; ++run) {
    check(cudaMemsetAsync(flush, run, 4 * cache), "flush");
    check(cudaEventRecord(start), "event");
    check(lamina_run(inputs, outputs, arena, nullptr), "launch");
    check(cudaEventRecord(stop), "event");
    check(cudaEventSynchronize(stop), "run");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start, stop), "time");
    times.push_back(ms);
  }
  cudaFree(flush);
  std::sort(times.begin(), times.end());
  return times[kRuns / 2];
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "%s: expected bytes, f32 flops and 16-bit flops a second\n", lamina_name);
    return 2;
  }
  const double bytes_per_s = std::atof(arguments[1]);
  const double flops_per_s = std::atof(arguments[is_bf16(lamina_inputs[0]) ? 3 : 2]);
  int gpus = 0;
  const cudaError_t found = cudaGetDeviceCount(&gpus);
  if (found != cudaSuccess || gpus == 0) {
    std::fprintf(stderr, "no GPU: %s\n", cudaGetErrorString(found));
    return 3;
  }
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0), "properties");
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<Numbers> numbers;
  std::vector<void*> inputs, outputs;
  double moved = 0;
  for (const LaminaTensor& tensor : lamina_inputs) {
    Numbers values(static_cast<std::size_t>(elements(tensor)));
    // Weights as layers have them: their products keep the size of the input.
    const double scale = inputs.empty() ? 1.0 : std::sqrt(3.0 / tensor.shape[tensor.rank - 2]);
    for (double& x : values) x = uniform(random) * scale;
    const std::vector<char> memory = stored(tensor, values);
    inputs.push_back(nullptr);
    check(cudaMalloc(&inputs.back(), memory.size()), "memory");
    check(cudaMemcpy(inputs.back(), memory.data(), memory.size(), cudaMemcpyDefault), "copy");
    numbers.push_back(std::move(values));
    moved += static_cast<double>(memory.size());
  }
  outputs.push_back(nullptr);
  check(cudaMalloc(&outputs[0], bytes(lamina_outputs[0])), "memory");
  moved += static_cast<double>(bytes(lamina_outputs[0]));
  void* arena = nullptr;
  check(cudaMalloc(&arena, static_cast<std::size_t>(lamina_arena_bytes)), "memory");
  check(lamina_run(inputs.data(), outputs.data(), arena, nullptr), "launch");
  check(cudaDeviceSynchronize(), "run");
  std::vector<char> memory(bytes(lamina_outputs[0]));
  check(cudaMemcpy(memory.data(), outputs[0], memory.size(), cudaMemcpyDefault), "copy");
  const double error = worst_error(loaded(lamina_outputs[0], memory), reference(numbers));
  const bool right = error <= (is_bf16(lamina_outputs[0]) ? 0.02 : 1e-4);
  const double ms =
      median_ms(inputs.data(), outputs.data(), arena, static_cast<std::size_t>(device.l2CacheSize));
  // At best every byte is moved once and the products run at the peak.
  const double best_s = std::max(moved / bytes_per_s, flops / flops_per_s);
  std::printf("%-18s %-5s %s %s, error %.1e, %.2f us, %.0f %% of the roofline (%s)\n", lamina_name,
              lamina_outputs[0].dtype, device.name, right ? "right" : "WRONG", error, 1e3 * ms,
              1e5 * best_s / ms, moved / bytes_per_s > flops / flops_per_s ? "memory" : "products");
  return right ? 0 : 1;
}
