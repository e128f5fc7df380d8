// One step's loss and gradients against PyTorch's. LAMINA_PYTHON: a Python with torch and numpy.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/temporary_folder.h"
#include "lamina/bench.h"
#include "lamina/nn.h"

using namespace lamina;

namespace {

// Runs the network with its gradient on the cpu device and stores all that torch_networks.py reads.
void store(const std::string& folder, const train::Network& network, std::int64_t shape) {
  std::filesystem::create_directory(folder);
  Graph graph = network.graph;
  const NamedTensors parameters = train::initial_parameters(network, 7);
  std::vector<Value> weights;
  for (Input& input : graph.inputs) {
    if (input.role != Role::kWeight) continue;
    const std::string& name = graph.nodes[static_cast<std::size_t>(input.node)].name;
    input.value = parameters.at(name);
    weights.push_back({input.node, 0});
    save_npy(folder + "/weight." + name + ".npy", input.value);
  }
  const std::vector<Tensor> inputs = random_inputs(graph, {{"N", 5}}, 8);
  std::size_t next = 0;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kWeight) continue;
    const std::string& name = graph.nodes[static_cast<std::size_t>(input.node)].name;
    save_npy(folder + "/input." + name + ".npy", inputs[next++]);
  }
  const auto program = compile(gradient(graph, weights), find_device("cpu"));
  const std::vector<Tensor> outputs = program->run(inputs);
  save_npy(folder + "/loss.npy", outputs[0]);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    save_npy(folder + "/gradient." + graph.node(weights[i]).name + ".npy",
             outputs[graph.outputs.size() + i]);
  }
  save_npy(folder + "/shape.npy", Tensor::from_integers(DType::kI64, {1}, std::vector{shape}));
}

}  // namespace

TEST_CASE("PyTorch has the same loss and gradients" * doctest::test_suite("peers")) {
  const TemporaryFolder folder;
  store(folder.file("resnet"), resnet({.blocks = 2, .width = 8, .image = 12, .group_width = 4}), 4);
  const DecoderConfig config{
      .layers = 2, .tokens = 9, .width = 32, .heads = 4, .feed_forward = 48, .vocabulary = 23};
  store(folder.file("decoder"), decoder(config), config.heads);
  const char* python = std::getenv("LAMINA_PYTHON");
  const std::string command = std::string(python == nullptr ? "python3" : python) +
                              " bench/peers/torch_networks.py " + folder.path();
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::cout << "skipped: PyTorch is not installed\n";
  } else {
    CHECK(status == 0);
  }
}
