// Readers: what is in the files, and that damaged ones are refused; the order of samples.
#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/rng.h"
#include "base/temporary_folder.h"
#include "lamina/error.h"
#include "lamina/nn.h"
#include "nn/train/small_networks_for_test.h"

using namespace lamina;
using namespace lamina::train;

namespace {

void write_gzip(const std::string& path, const std::string& bytes) {
  const gzFile file = ::gzopen(path.c_str(), "wb");
  ::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  ::gzclose(file);
}

std::string number(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xffU);
  return text;
}

// Two images: all 255, and all 0 but for one 51 = 255 / 5 at row 1, column 2.
std::string images() {
  std::string second(784, '\0');
  second[28 + 2] = 51;
  return number(0x803) + number(2) + number(28) + number(28) + std::string(784, '\xff') + second;
}
std::string labels() { return number(0x801) + number(2) + std::string("\x07\x03"); }

void write_set(const TemporaryFolder& folder, const std::string& images_text,
               const std::string& labels_text) {
  write_gzip(folder.file("train-images-idx3-ubyte.gz"), images_text);
  write_gzip(folder.file("train-labels-idx1-ubyte.gz"), labels_text);
}

DatasetOptions fashion(const TemporaryFolder& folder) {
  return {.dataset = "fashion-mnist", .path = folder.path()};
}

Network network_of(const std::vector<std::pair<std::string, Type>>& inputs) {
  Network network{"inputs", {}, {}};
  network.graph.sizes = {{std::string(kSamples), 1, 64}};
  for (const auto& [name, type] : inputs) network.graph.add_input(name, type);
  return network;
}

const Dim kN = Dim::size(std::string(kSamples));

}  // namespace

TEST_CASE("IDX files are read, standardised, in any order of samples") {
  const TemporaryFolder folder;
  write_set(folder, images(), labels());
  const auto data = load_dataset(fashion(folder), Split::kTraining, small_convnet());
  CHECK(data->size() == 2);
  const NamedTensors batch = data->batch(std::vector<std::int64_t>{1, 0, 1});
  CHECK(batch.at("labels").to_integers() == std::vector<std::int64_t>{3, 7, 3});
  const std::vector<double> pixels = batch.at("images").to_doubles();
  CHECK(batch.at("images").shape() == Shape{3, 1, 28, 28});
  CHECK(pixels[0] == doctest::Approx(-0.2860 / 0.3530));
  CHECK(pixels[30] == doctest::Approx((0.2 - 0.2860) / 0.3530));
  CHECK(pixels[784] == doctest::Approx((1.0 - 0.2860) / 0.3530));
  CHECK_THROWS_WITH_AS(data->batch(std::vector<std::int64_t>{2}), doctest::Contains("sample 2"),
                       Error);
}

TEST_CASE("damaged IDX files are refused with the reason") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& i, const std::string& l, const char* reason) {
    write_set(folder, i, l);
    CHECK_THROWS_WITH_AS(load_dataset(fashion(folder), Split::kTraining, small_convnet()),
                         doctest::Contains(reason), Error);
  };
  refused(images().substr(0, 1000), labels(), "ends after");
  refused(images() + "x", labels(), "more bytes");
  refused(number(0x801) + images(), labels(), "magic number");
  refused(number(0x803) + number(0xffffffff) + number(0xffffffff), labels(), "extent");
  refused(images(), number(0x801) + number(3) + "\x01\x02\x03", "2 images but 3 labels");
  refused(images(), number(0x801) + number(2) + "\x01\x0a", "a label 10");
  write_set(folder, images(), labels());
  const std::string path = folder.file("train-images-idx3-ubyte.gz");
  const std::string bytes = read_file(path);
  write_file_atomically(path, bytes.substr(0, bytes.size() / 2));
  CHECK_THROWS_AS(load_dataset(fashion(folder), Split::kTraining, small_convnet()), Error);
  CHECK_THROWS_WITH_AS(load_dataset(fashion(folder), Split::kTest, small_convnet()),
                       doctest::Contains("t10k"), Error);
}

TEST_CASE("IDX files with bytes changed anywhere are read or refused") {
  const TemporaryFolder folder;
  Rng rng(11);
  for (int i = 0; i < 150; ++i) {
    std::string text = images();
    for (int k = 0; k < 3; ++k) {
      text[static_cast<std::size_t>(rng.integer(0, 40))] = static_cast<char>(rng.integer(0, 255));
    }
    if (rng.chance(0.3)) text.resize(static_cast<std::size_t>(rng.integer(0, std::ssize(text))));
    write_set(folder, text, labels());
    if (rng.chance(0.3)) {
      std::string bytes = read_file(folder.file("train-images-idx3-ubyte.gz"));
      bytes[static_cast<std::size_t>(rng.integer(0, std::ssize(bytes) - 1))] ^= 0x10;
      write_file_atomically(folder.file("train-images-idx3-ubyte.gz"), bytes);
    }
    try {
      const auto data = load_dataset(fashion(folder), Split::kTraining, small_convnet());
      CHECK(data->size() == 2);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kInvalidArgument);
    }
  }
}

TEST_CASE("images that a network does not take are refused") {
  const TemporaryFolder folder;
  write_set(folder, images(), labels());
  CHECK_THROWS_WITH_AS(load_dataset(fashion(folder), Split::kTraining, resnet({.image = 32})),
                       doctest::Contains("[1, 28, 28]"), Error);
  CHECK_THROWS_WITH_AS(load_dataset(fashion(folder), Split::kTraining, small_regression()),
                       doctest::Contains("'images'"), Error);
}

TEST_CASE("the Fashion-MNIST of the system has its 70,000 images") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    MESSAGE("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const DatasetOptions options{.dataset = "fashion-mnist"};
  const auto training = load_dataset(options, Split::kTraining, small_convnet());
  const auto test = load_dataset(options, Split::kTest, small_convnet());
  CHECK(training->size() == 60000);
  CHECK(test->size() == 10000);
  std::vector<std::int64_t> all(10000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const std::vector<std::int64_t> labels = test->batch(all).at("labels").to_integers();
  for (std::int64_t c = 0; c < 10; ++c) CHECK(std::count(labels.begin(), labels.end(), c) == 1000);
}

TEST_CASE("CIFAR-10 records are read per channel") {
  const TemporaryFolder folder;
  std::string record = "\x05" + std::string(1024, '\xff') + std::string(2048, '\0');
  write_file_atomically(folder.file("test_batch.bin"), record + record);
  const Network network = resnet({.image = 32, .channels = 3});
  const DatasetOptions options{.dataset = "cifar10", .path = folder.path()};
  const auto data = load_dataset(options, Split::kTest, network);
  CHECK(data->size() == 2);
  const NamedTensors batch = data->batch(std::vector<std::int64_t>{1});
  CHECK(batch.at("labels").to_integers() == std::vector<std::int64_t>{5});
  const std::vector<double> pixels = batch.at("images").to_doubles();
  CHECK(pixels[1023] == doctest::Approx((1.0 - 0.4914) / 0.2470));
  CHECK(pixels[1024] == doctest::Approx(-0.4822 / 0.2435));
  write_file_atomically(folder.file("test_batch.bin"), record + "x");
  CHECK_THROWS_WITH_AS(load_dataset(options, Split::kTest, network),
                       doctest::Contains("3074 bytes"), Error);
}

TEST_CASE("a text gives windows of bytes and what follows each") {
  const TemporaryFolder folder;
  write_file_atomically(folder.file("text"), "abcdefghijklmnopqrst");
  const Type ids{DType::kI64, {kN, 4}, {}};
  const Network network = network_of({{"tokens", ids}, {"targets", ids}});
  const DatasetOptions options{
      .dataset = "text", .path = folder.file("text"), .test_fraction = 0.25};
  const auto training = load_dataset(options, Split::kTraining, network);
  CHECK(training->size() == 3);  // 15 bytes
  const NamedTensors batch = training->batch(std::vector<std::int64_t>{2});
  CHECK(batch.at("tokens").to_integers() == std::vector<std::int64_t>{'i', 'j', 'k', 'l'});
  CHECK(batch.at("targets").to_integers() == std::vector<std::int64_t>{'j', 'k', 'l', 'm'});
  CHECK(load_dataset(options, Split::kTest, network)->size() == 1);
  write_file_atomically(folder.file("text"), "abcd");
  CHECK_THROWS_WITH_AS(load_dataset(options, Split::kTraining, network),
                       doctest::Contains("too few"), Error);
}

TEST_CASE("synthetic samples fit the network's inputs and do not depend on their batch") {
  for (const std::string_view name : network_names()) {
    CAPTURE(name);
    const Network network = lamina::network(name, {.small = true});
    const auto data = load_dataset({.samples = 40}, Split::kTraining, network);
    const NamedTensors both = data->batch(std::vector<std::int64_t>{7, 31});
    const NamedTensors one = data->batch(std::vector<std::int64_t>{31});
    for (const auto& [input, tensor] : both) {
      const std::vector<double> rows = tensor.to_doubles(), row = one.at(input).to_doubles();
      REQUIRE(rows.size() == 2 * row.size());
      CHECK(std::equal(row.begin(), row.end(), rows.begin() + std::ssize(row)));
      CHECK(tensor.dtype() == network.graph.type(network.graph.find(input)).dtype);
    }
    const auto test = load_dataset({.samples = 40}, Split::kTest, network);
    CHECK(test->batch(std::vector<std::int64_t>{0}).begin()->second.to_doubles() !=
          data->batch(std::vector<std::int64_t>{0}).begin()->second.to_doubles());
  }
}

TEST_CASE("every epoch is a permutation of its own, from any position") {
  SampleOrder order(5, 100);
  std::set<std::vector<std::int64_t>> epochs;
  for (std::int64_t e = 0; e < 4; ++e) {
    std::vector<std::int64_t> epoch = order.range(100 * e, 100);
    epochs.insert(epoch);
    std::sort(epoch.begin(), epoch.end());
    for (std::int64_t i = 0; i < 100; ++i) CHECK(epoch[static_cast<std::size_t>(i)] == i);
  }
  CHECK(epochs.size() == 4);
  CHECK(SampleOrder(5, 100).range(250, 100) == order.range(250, 100));
  CHECK(SampleOrder(6, 100).range(0, 100) != order.range(0, 100));
  CHECK(SampleOrder(1, 1).range(0, 3) == std::vector<std::int64_t>{0, 0, 0});
}
