// NCCL and the CUDA runtime themselves. Compiled and never run: no GPU was at hand.
//
// NCCL's library is opened when it is wanted: it is large, and programs that train on processors
// shall start without it.
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <type_traits>

#include "base/check.h"
#include "lamina/pipeline_run.h"
#include "pipeline/comm/nccl_transport.h"

namespace lamina::pipeline {
namespace {

// The functions of libnccl.so.2 that are used, typed by its header.
struct Library {
  decltype(&ncclGetErrorString) error_text = nullptr;
  decltype(&ncclGetUniqueId) make_id = nullptr;
  decltype(&ncclCommInitRankConfig) connect = nullptr;
  decltype(&ncclCommGetAsyncError) state = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclCommDestroy) destroy = nullptr;
  decltype(&ncclSend) send = nullptr;
  decltype(&ncclRecv) receive = nullptr;

  Library() {
    void* handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) handle = dlopen(LAMINA_NCCL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      fail(ErrorCode::kNotFound, "NCCL's library is neither 'libnccl.so.2' nor '{}'",
           LAMINA_NCCL_LIBRARY);
    }
    const auto find = [&](auto& target, const char* symbol) {
      target = reinterpret_cast<std::decay_t<decltype(target)>>(dlsym(handle, symbol));
      if (target == nullptr) fail(ErrorCode::kNotFound, "NCCL's library has no {}", symbol);
    };
    find(error_text, "ncclGetErrorString");
    find(make_id, "ncclGetUniqueId");
    find(connect, "ncclCommInitRankConfig");
    find(state, "ncclCommGetAsyncError");
    find(abort, "ncclCommAbort");
    find(destroy, "ncclCommDestroy");
    find(send, "ncclSend");
    find(receive, "ncclRecv");
  }
};

class GpuNccl final : public NcclCalls {
 public:
  explicit GpuNccl(const Transport& start) {
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    if (code != cudaSuccess || count == 0) {
      fail(ErrorCode::kNotFound, "NCCL needs a GPU for each rank; rank {} finds none{}{}",
           start.rank(), code == cudaSuccess ? "" : ": ",
           code == cudaSuccess ? "" : cudaGetErrorString(code));
    }
    device_ = gpu_of(start, count);
  }

  std::string gpu() const override {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    std::array<char, 64> bus{};
    succeeded(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device_),
              "cudaDeviceGetPCIBusId");
    return fmt::format("{} of {}", bus.data(), host.data());
  }
  void enter() override { succeeded(cudaSetDevice(device_), "cudaSetDevice"); }

  std::byte* allocate_host(std::size_t bytes) override {
    void* memory = nullptr;
    succeeded(cudaMallocHost(&memory, bytes), "cudaMallocHost");
    return static_cast<std::byte*>(memory);
  }
  void release_host(std::byte* memory) noexcept override { cudaFreeHost(memory); }
  std::byte* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    succeeded(cudaMalloc(&memory, bytes), "cudaMalloc");
    return static_cast<std::byte*>(memory);
  }
  void release(std::byte* memory) noexcept override { cudaFree(memory); }

  Handle make_stream() override {
    cudaStream_t stream = nullptr;
    succeeded(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return stream;
  }
  void release_stream(Handle stream) noexcept override {
    cudaStreamDestroy(static_cast<cudaStream_t>(stream));
  }
  void copy_in(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) override {
    copy(stream, to, from, bytes, cudaMemcpyHostToDevice);
  }
  void copy_out(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) override {
    copy(stream, to, from, bytes, cudaMemcpyDeviceToHost);
  }

  // The other rank of a communicator: 0 sends to 1.
  void send(Handle stream, Handle communicator, const std::byte* from, std::size_t bytes) override {
    succeeded(nccl_.send(from, bytes, ncclInt8, 1, static_cast<ncclComm_t>(communicator),
                         static_cast<cudaStream_t>(stream)),
              "ncclSend");
  }
  void receive(Handle stream, Handle communicator, std::byte* to, std::size_t bytes) override {
    succeeded(nccl_.receive(to, bytes, ncclInt8, 0, static_cast<ncclComm_t>(communicator),
                            static_cast<cudaStream_t>(stream)),
              "ncclRecv");
  }

  Handle record(Handle stream) override {
    cudaEvent_t event = nullptr;
    succeeded(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
    succeeded(cudaEventRecord(event, static_cast<cudaStream_t>(stream)), "cudaEventRecord");
    return event;
  }
  bool is_done(Handle event) override {
    const cudaError_t code = cudaEventQuery(static_cast<cudaEvent_t>(event));
    if (code == cudaErrorNotReady) return false;
    succeeded(code, "cudaEventQuery");
    return true;
  }
  void release_event(Handle event) noexcept override {
    cudaEventDestroy(static_cast<cudaEvent_t>(event));
  }

  std::string make_id() override {
    ncclUniqueId id;
    succeeded(nccl_.make_id(&id), "ncclGetUniqueId");
    return {id.internal, sizeof(id.internal)};
  }
  Handle connect(const std::string& text, bool sends) override {
    ncclUniqueId id;
    require(text.size() == sizeof(id.internal), "an NCCL id of {} bytes, where {} are expected",
            text.size(), sizeof(id.internal));
    std::memcpy(id.internal, text.data(), text.size());
    // Many communicators are there at once: each shall take little of the GPU.
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.minCTAs = 1;
    config.maxCTAs = 4;
    ncclComm_t communicator = nullptr;
    succeeded(nccl_.connect(&communicator, 2, id, sends ? 0 : 1, &config), "ncclCommInitRank");
    return communicator;
  }
  void check(Handle communicator) override {
    ncclResult_t state = ncclSuccess;
    succeeded(nccl_.state(static_cast<ncclComm_t>(communicator), &state), "ncclCommGetAsyncError");
    succeeded(state, "NCCL");
  }
  void disconnect(Handle communicator, bool abort) noexcept override {
    (abort ? nccl_.abort : nccl_.destroy)(static_cast<ncclComm_t>(communicator));
  }

 private:
  void succeeded(ncclResult_t code, const char* what) const {
    if (code == ncclSuccess) return;
    fail(ErrorCode::kIo, "{}: {}", what, nccl_.error_text(code));
  }
  static void succeeded(cudaError_t code, const char* what) {
    if (code == cudaSuccess) return;
    fail(ErrorCode::kIo, "{}: {}", what, cudaGetErrorString(code));
  }

  static void copy(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes,
                   cudaMemcpyKind kind) {
    succeeded(cudaMemcpyAsync(to, from, bytes, kind, static_cast<cudaStream_t>(stream)),
              "cudaMemcpyAsync");
  }

  Library nccl_;
  int device_ = 0;
};

}  // namespace

void run_nccl_rank(Transport& start, const std::function<void(Transport&)>& body) {
  GpuNccl calls(start);
  run_on_nccl(start, calls, body);
}

}  // namespace lamina::pipeline
