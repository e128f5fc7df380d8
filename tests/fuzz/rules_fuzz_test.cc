// Hostile rule files and stored programs: mutated ones are refused or give well-formed graphs.
#include <doctest/doctest.h>

#include <algorithm>

#include "../rule_examples.h"
#include "../rule_writer.h"
#include "lamina/error.h"
#include "lamina/io.h"
#include "mutate.h"

using namespace lamina;

TEST_CASE("fuzz: rule files") {
  fuzz::Corpus corpus;
  for (const auto& [name, rule] : test::right_rules()) {
    corpus.files.push_back(test::encode_rules({rule}));
  }
  for (const auto& [name, rule] : test::wrong_rules()) {
    corpus.files.push_back(test::encode_rules({rule}));
  }
  for (const int value : {-1, 0, 1, 2, 13, 29, 1 << 30}) {
    corpus.words.push_back(test::integer_field(1, value));
    corpus.words.push_back(
        test::message_field(3, test::integer_field(1, 11) + test::integer_field(2, value)));
  }
  corpus.words.push_back("\xff\xff\xff\xff\x0f");
  int built = 0;
  fuzz::run(corpus, 11, 3000, [&](const std::string& file) {
    for (const RewriteRule& rule : parse_rules(file)) {
      for (const RuleInstance& instance : instantiate(rule, 2)) {
        validate(instance.source);
        validate(instance.destination);
        ++built;
      }
    }
  });
  // Most mutations break a length, so that few files are read to the end.
  CHECK(built > 100);
}

TEST_CASE("fuzz: rule files cut off at every byte") {
  std::vector<RewriteRule> rules;
  for (const auto& [name, rule] : test::right_rules()) rules.push_back(rule);
  const std::string whole = test::encode_rules(rules);
  std::size_t read = 0;
  for (std::size_t i = 1; i < whole.size(); ++i) {
    try {
      read = std::max(read, parse_rules(whole.substr(0, i)).size());
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kInvalidArgument);
    }
  }
  CHECK(read == rules.size() - 1);
}

TEST_CASE("fuzz: stored programs") {
  fuzz::Corpus corpus;
  corpus.files = fuzz::read_folder("tests/data/mirage", ".json");
  corpus.words = {"-1",
                  "0",
                  "[]",
                  "{}",
                  "null",
                  "2147483647",
                  "1e9",
                  "\"x\": ",
                  "\"y\": ",
                  "\"guid\": ",
                  "\"dim\": ",
                  "[1, 1]",
                  "tb_exp_op",
                  "kn_exp_op",
                  "tb_output_op",
                  "tb_input_op",
                  "\"tb_accum_nored_op\"",
                  "\"tb_reduction_0_to_dimx_op\"",
                  "\"forloop_dim\": 0",
                  "\"op_type\": ",
                  "9223372036854775807"};
  int built = 0;
  fuzz::run(corpus, 12, 3000, [&](const std::string& file) {
    for (const StoredProgram& program : parse_programs(file, "file")) {
      if (program.refusal) continue;
      validate(program.graph);
      ++built;
    }
  });
  CHECK(built > 200);
}
