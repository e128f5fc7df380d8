// Networks as graphs: encoders built from a configuration and a file of weights, and networks to
// train, whose weights have no elements yet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"
#include "lamina/io.h"
#include "lamina/train.h"

namespace lamina {

// A BERT encoder (Devlin et al., arXiv:1810.04805) with post-layer normalisation and erf-GELU, as
// the field names of its Hugging Face config.json call it.
struct EncoderConfig {
  std::int64_t num_hidden_layers = 6;
  std::int64_t hidden_size = 384;
  std::int64_t num_attention_heads = 12;
  std::int64_t intermediate_size = 1536;
  std::int64_t vocab_size = 30522;
  std::int64_t max_position_embeddings = 512;
  double layer_norm_eps = 1e-12;

  std::int64_t head_size() const { return hidden_size / num_attention_heads; }
};

// Reads config.json of a BERT model. Throws kUnsupported that names another architecture.
EncoderConfig load_encoder_config(const std::string& path);

// One sentence of `tokens.name` tokens: input "input_ids" i64[T] -> "last_hidden_state" [T, hidden]
// and "sentence_embedding" [hidden]: the mean over tokens, scaled to length 1 (what
// sentence-transformers makes of it). Weights by their Hugging Face names; throws kNotFound that
// names a missing one and kInvalidArgument for one of another shape.
Graph bert_encoder(const EncoderConfig& config, const NamedTensors& weights,
                   const SizeRange& tokens = {"T", 1, 512});

// A model by path: a folder with config.json and model.safetensors is built by this header's
// networks, anything else (files, folders of programs) is read by load_model().
Graph load_network(const std::string& path, const LoadOptions& options = {});

// ---- Networks to train --------------------------------------------------------------------------
// Defaults are the shapes of GraphPipe's evaluation (arXiv:2406.17145, appendix A.2) where it has
// the network.

// A multi-modal transformer: towers over inputs "features_<i>" [N, tokens, width], their means over
// the tokens concatenated, and a linear head over "labels" [N].
struct MmtConfig {
  int branches = 4;
  int layers = 8;  // of each branch
  std::int64_t tokens = 256;
  std::int64_t width = 1024;
  std::int64_t heads = 16;
  std::int64_t feed_forward = 4096;
  std::int64_t classes = 1000;
};
train::Network mmt(const MmtConfig& config = {});

// A recommendation model (arXiv:1906.00091): branches of linear layers over "dense_<i>" [N, width],
// bags of rows of tables, picked by "ids_<i>" i64[N, bag] and concatenated, all concatenated,
// linear layers over that, and one number, whose logistic loss is against "clicks"
// [N, 1].
struct DlrmConfig {
  int dense_branches = 7;
  int layers = 4;  // of each of them
  int tables = 7;
  int post_layers = 1;
  std::int64_t width = 4096;
  std::int64_t rows = 1'000'000;  // of each table
  std::int64_t columns = 64;
  std::int64_t bag = 100;
};
train::Network dlrm(const DlrmConfig& config = {});

// CANDLE-Uno, the drug response model: branches of linear layers over "features_<i>" [N, width],
// concatenated, linear layers over that, and one number, compared with "growth" [N, 1] by its
// squared error.
struct CandleUnoConfig {
  int branches = 7;
  int layers = 4;  // of each branch
  int post_layers = 4;
  std::int64_t width = 4096;
};
train::Network candle_uno(const CandleUnoConfig& config = {});

// A decoder-only transformer over "tokens" i64[N, tokens], which predicts "targets" of that shape.
struct DecoderConfig {
  int layers = 12;
  std::int64_t tokens = 256;
  std::int64_t width = 768;
  std::int64_t heads = 12;
  std::int64_t feed_forward = 3072;
  std::int64_t vocabulary = 256;
  bool tied = false;  // logits are products with the rows of the table of embeddings
};
train::Network decoder(const DecoderConfig& config = {});

// A residual network of 6 * blocks + 2 layers (He et al., arXiv:1512.03385, section 4.2) with group
// norms (arXiv:1803.08494), over "images" [N, channels, image, image] and "labels" [N].
struct ResNetConfig {
  int blocks = 3;           // of each of three stages
  std::int64_t width = 16;  // channels of the first stage; the others have 2 and 4 times as many
  std::int64_t image = 28;  // 28 and 1: Fashion-MNIST, 32 and 3: CIFAR-10
  std::int64_t channels = 1;
  std::int64_t group_width = 8;  // channels that are normalised together; divides width
  std::int64_t classes = 10;
};
train::Network resnet(const ResNetConfig& config = {});

// The networks above by name, for the command line. 0 stands for the network's default; what a
// network does not have is refused.
struct NetworkOptions {
  bool small = false;  // defaults that run in moments instead of those above
  std::int64_t branches = 0;
  std::int64_t layers = 0;
  std::int64_t post_layers = 0;
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t feed_forward = 0;
  std::int64_t tokens = 0;
  std::int64_t vocabulary = 0;
  std::int64_t tables = 0;
  std::int64_t rows = 0;
  std::int64_t bag = 0;
  std::int64_t image = 0;
  std::int64_t channels = 0;
  std::int64_t classes = 0;
  bool tied = false;
  std::vector<std::string> frozen;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("small", self.small, "of a named network: small shapes, instead of the full ones");
    visit("branches", self.branches, "mmt, dlrm, candle-uno: number of branches");
    visit("layers", self.layers, "layers of a branch or stack; resnet: blocks of a stage");
    visit("post_layers", self.post_layers, "dlrm, candle-uno: layers behind the branches");
    visit("width", self.width, "of layers; resnet: channels of the first stage");
    visit("heads", self.heads, "mmt, decoder: heads of attention");
    visit("feed_forward", self.feed_forward, "mmt, decoder: width inside a layer");
    visit("tokens", self.tokens, "mmt, decoder: length of a sequence");
    visit("vocabulary", self.vocabulary, "decoder: number of tokens that there are");
    visit("tables", self.tables, "dlrm: number of embedding tables");
    visit("rows", self.rows, "dlrm: rows of a table");
    visit("bag", self.bag, "dlrm: rows that a sample picks from a table");
    visit("image", self.image, "resnet: height and width of images");
    visit("channels", self.channels, "resnet: channels of images");
    visit("classes", self.classes, "mmt, resnet: number of classes");
    visit("tied", self.tied, "decoder: one table for embeddings and logits");
    visit("frozen", self.frozen, "do not train weights whose names begin with one of these");
  }
};
// Adds the weights whose names begin with one of these to those that are not trained. Throws
// kInvalidArgument for a beginning that no weight has.
void freeze(train::Network& network, const std::vector<std::string>& beginnings);
// Names in the order of the documentation.
std::vector<std::string_view> network_names();
// Throws kNotFound that lists the names, and kInvalidArgument that names an option which this
// network does not have, or a beginning that no weight has.
train::Network network(std::string_view name, const NetworkOptions& options = {});

}  // namespace lamina
